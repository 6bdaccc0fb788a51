"""A flood of bad signatures: counted, sampled, told once; and alerts that never make anybody wait."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from arq.connections import ArqRedis
from structlog.testing import capture_logs

from service.alerts import Alerts
from service.domain.deliveries import Refusal
from service.store import keys
from service.store.connection import connect
from service.web.refusals import ALERT_AFTER, Refusals
from service.web.tally import Tally
from tests.web.conftest import ORG


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sent() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def alerts(redis: ArqRedis, sent: list[tuple[str, str]]) -> Alerts:
    async def send(title: str, text: str) -> bool:
        sent.append((title, text))
        return True

    return Alerts(redis, send=send)


async def test_a_flood_leaves_a_handful_of_keys_and_lines(redis: ArqRedis, alerts: Alerts) -> None:
    tally = Tally()
    refusals = Refusals(redis, alerts, tally, clock=Clock())
    before = await redis.dbsize()

    with capture_logs() as lines:
        for number in range(10_000):
            refusals.refused(Refusal.BAD_SIGNATURE, org=None if number % 2 else ORG)
        await refusals.flush()
        await alerts.settled()

    assert await redis.hgetall(keys.unsigned(10)) == {
        b"-:bad_signature": b"5000",
        f"{ORG}:bad_signature".encode(): b"5000",
    }
    assert await redis.dbsize() - before <= 2
    assert Counter(line["event"] for line in lines) == {"unsigned": 2, "alert": 1}
    assert tally.refused == {"bad_signature": 10_000}


async def test_the_next_minute_is_logged_again(redis: ArqRedis, alerts: Alerts) -> None:
    clock = Clock()
    refusals = Refusals(redis, alerts, Tally(), clock=clock)

    with capture_logs() as lines:
        refusals.refused(Refusal.NO_SIGNATURE, org=None)
        clock.now += 60
        refusals.refused(Refusal.NO_SIGNATURE, org=None)

    assert [line["in_a_row"] for line in lines] == [1, 2]


async def test_five_in_a_row_raise_an_alert_and_a_good_one_starts_anew(
    redis: ArqRedis, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    refusals = Refusals(redis, alerts, Tally())
    for _ in range(ALERT_AFTER - 1):
        refusals.refused(Refusal.BAD_SIGNATURE, org=ORG)
    refusals.accepted(ORG)
    refusals.refused(Refusal.BAD_SIGNATURE, org=ORG)
    await alerts.settled()
    assert sent == []

    for _ in range(ALERT_AFTER - 1):
        refusals.refused(Refusal.BAD_SIGNATURE, org=ORG)
    await alerts.settled()

    assert [title for title, _ in sent] == ["haravan-tagger: unsigned"]


async def test_forged_orgs_raise_no_alert(
    redis: ArqRedis, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    refusals = Refusals(redis, alerts, Tally())

    for _ in range(100):
        refusals.refused(Refusal.BAD_SIGNATURE, org=None)
    await alerts.settled()

    assert sent == []


async def test_counts_wait_while_redis_is_away(alerts: Alerts, redis: ArqRedis) -> None:
    away = connect("unix:///nowhere/at/all", retries=0)
    refusals = Refusals(away, alerts, Tally(), clock=Clock())
    refusals.refused(Refusal.BAD_SIGNATURE, org=None)

    await refusals.flush()
    refusals._redis = redis
    await refusals.flush()

    assert await redis.hgetall(keys.unsigned(10)) == {b"-:bad_signature": b"1"}
    await away.aclose()


async def test_an_alert_is_told_once_by_all_processes_together(
    redis: ArqRedis, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    other = Alerts(redis, send=alerts._send)

    for each in (alerts, other, alerts):
        each.raise_alert("unsigned", "a text", org=ORG)
        await each.settled()
    alerts.raise_alert("unsigned", "a text", org="2")
    await alerts.settled()

    assert [text for _, text in sent] == [f"Shop {ORG}: a text", "Shop 2: a text"]


async def test_without_redis_an_alert_is_told_once_by_each(sent: list[tuple[str, str]]) -> None:
    async def send(title: str, text: str) -> bool:
        sent.append((title, text))
        return True

    away = connect("unix:///nowhere/at/all", retries=0)
    alerts = Alerts(away, send=send)
    for _ in range(3):
        alerts.raise_alert("unsigned", "a text", org=ORG)
        await alerts.settled()

    assert len(sent) == 1
    await away.aclose()


async def test_a_channel_that_hangs_holds_nobody_up(redis: ArqRedis) -> None:
    never = asyncio.Event()

    async def send(_title: str, _text: str) -> bool:
        return await never.wait()

    alerts = Alerts(redis, send=send)
    for number in range(100):
        alerts.raise_alert("unsigned", "a text", org=str(number))

    assert len(alerts._out) <= 32
    never.set()
    await alerts.settled()
