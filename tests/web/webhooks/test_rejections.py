"""A flood of bad signatures is counted, sampled and alerted once; alerts block nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from structlog.testing import capture_logs

from service.alerts import Alerts
from service.domain.customers.customer import OrgId
from service.domain.sync.webhooks import RejectionReason
from service.store.client import RedisClient, keys
from service.store.client.connection import connect
from service.store.history.rejections import Tally, load_webhook_report
from service.store.queue.dirty import DirtyEvent, mark_dirty
from service.web.webhooks.metrics import WebhookMetrics
from service.web.webhooks.rejections import MAX_STREAK, RejectionTracker
from tests.support.shop import ORG, OTHER_ORG
from tests.support.store import all_keys


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
def alerts(redis: RedisClient, sent: list[tuple[str, str]]) -> Alerts:
    async def send(title: str, text: str) -> bool:
        sent.append((title, text))
        return True

    return Alerts(redis, send=send)


async def test_a_flood_leaves_a_handful_of_keys_and_lines(redis: RedisClient, alerts: Alerts) -> None:
    metrics = WebhookMetrics()
    tracker = RejectionTracker(redis, alerts, metrics, clock=Clock())
    before = len(await all_keys(redis))

    with capture_logs() as lines:
        for number in range(10_000):
            tracker.record(RejectionReason.BAD_SIGNATURE, org=None if number % 2 else ORG)
        await tracker.flush()
        await alerts.drain()

    report = await load_webhook_report(redis, [ORG])
    assert report.unattributed == {"bad_signature": Tally(5000, 600_000, 600_000)}
    assert report.shops[0].rejected == {"bad_signature": Tally(5000, 600_000, 600_000)}
    assert len(await all_keys(redis)) - before <= 5
    assert Counter(line["event"] for line in lines) == {"webhook_rejected": 2, "alert": 1}
    assert (
        metrics.registry.get_sample_value("tagger_webhooks_rejected_total", {"reason": "bad_signature"})
        == 10_000
    )


async def test_the_next_minute_is_logged_again(redis: RedisClient, alerts: Alerts) -> None:
    clock = Clock()
    tracker = RejectionTracker(redis, alerts, WebhookMetrics(), clock=clock)

    with capture_logs() as lines:
        tracker.record(RejectionReason.NO_SIGNATURE, org=None)
        clock.now += 60
        tracker.record(RejectionReason.NO_SIGNATURE, org=None)

    assert [line["event"] for line in lines] == ["webhook_rejected", "webhook_rejected"]


async def test_five_rejections_in_a_row_raise_an_alert_and_a_good_webhook_resets_the_streak(
    redis: RedisClient, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    tracker = RejectionTracker(redis, alerts, WebhookMetrics())
    await refuse(tracker, times=MAX_STREAK - 1)
    await taken(redis)
    await refuse(tracker)
    await alerts.drain()
    assert sent == []

    await refuse(tracker, times=MAX_STREAK - 1)
    await alerts.drain()

    assert [title for title, _ in sent] == ["haravan-tagger: webhook_signature_failures"]


async def test_a_streak_is_counted_over_all_processes(
    redis: RedisClient, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    processes = [RejectionTracker(redis, alerts, WebhookMetrics()) for _ in range(MAX_STREAK)]

    for process in processes[:-1]:
        await refuse(process)
    await refuse(processes[-1], org=OTHER_ORG)
    await alerts.drain()
    assert sent == []
    await refuse(processes[-1])
    await alerts.drain()

    assert [text.split(":")[0] for _, text in sent] == [f"Shop {ORG}"]


async def test_rejections_before_a_good_webhook_do_not_count_even_if_stored_late(
    redis: RedisClient, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    clock = Clock()
    tracker = RejectionTracker(redis, alerts, WebhookMetrics(), clock=clock)
    for _ in range(MAX_STREAK):
        tracker.record(RejectionReason.BAD_SIGNATURE, org=ORG)
    clock.now += 5  # the good one below came meanwhile
    await taken(redis)

    await tracker.flush()
    await alerts.drain()

    assert sent == []


async def test_a_flood_against_one_shop_is_one_key_of_a_few_bytes(redis: RedisClient, alerts: Alerts) -> None:
    tracker = RejectionTracker(redis, alerts, WebhookMetrics())
    for _ in range(20):
        await refuse(tracker, times=1000)

    assert await redis.zcard(keys.shop(ORG, "rejection_streak")) == MAX_STREAK
    assert 0 < await redis.ttl(keys.shop(ORG, "rejection_streak")) <= keys.DAY_S
    assert len(tracker._pending) == 0


async def refuse(tracker: RejectionTracker, *, times: int = 1, org: OrgId = ORG) -> None:
    """So many tracker, and what follows from them every few seconds."""
    for _ in range(times):
        tracker.record(RejectionReason.BAD_SIGNATURE, org=org)
    await tracker.flush()


async def taken(redis: RedisClient) -> None:
    """A good webhook of the shop, a millisecond or more before whatever comes next."""
    (marked,) = await mark_dirty(redis, ORG, [DirtyEvent("7", identity=b"a" * 16)], lane="live")
    at_ms, now_ms = int(marked.delivery.split("-")[0]), 0
    while now_ms <= at_ms:
        seconds, micros = await redis.time()
        now_ms = seconds * 1000 + micros // 1000


async def test_compressed_webhooks_of_a_shop_raise_an_alert_that_names_the_compression(
    redis: RedisClient, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    tracker = RejectionTracker(redis, alerts, WebhookMetrics())

    for org in (None, ORG, ORG):
        tracker.record(RejectionReason.CONTENT_ENCODING, org=org)
    await tracker.flush()
    await alerts.drain()

    [(title, text)] = sent
    assert title == "haravan-tagger: webhook_compressed"
    assert "gzip" in text


async def test_signed_webhooks_of_unknown_shops_are_counted_by_org(
    redis: RedisClient, alerts: Alerts
) -> None:
    tracker = RejectionTracker(redis, alerts, WebhookMetrics(), clock=Clock())

    for org in ("1000114691", "1000114691", ""):
        tracker.record_unknown_shop(org)
    await tracker.flush()

    report = await load_webhook_report(redis, [ORG])
    assert report.unknown_shops == {
        "1000114691": Tally(2, 600_000, 600_000),
        "-": Tally(1, 600_000, 600_000),
    }


async def test_forged_orgs_raise_no_alert(
    redis: RedisClient, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    tracker = RejectionTracker(redis, alerts, WebhookMetrics())

    for _ in range(100):
        tracker.record(RejectionReason.BAD_SIGNATURE, org=None)
    await alerts.drain()

    assert sent == []


async def test_counts_and_streaks_wait_while_redis_is_down(
    alerts: Alerts, redis: RedisClient, sent: list[tuple[str, str]]
) -> None:
    away = connect("unix:///nowhere/at/all", patience_s=0)
    tracker = RejectionTracker(away, alerts, WebhookMetrics(), clock=Clock())
    for _ in range(MAX_STREAK):
        tracker.record(RejectionReason.BAD_SIGNATURE, org=ORG)

    await tracker.flush()
    tracker.record(RejectionReason.BAD_SIGNATURE, org=None)
    tracker._redis = redis
    await tracker.flush()
    await alerts.drain()

    report = await load_webhook_report(redis, [ORG])
    assert report.unattributed["bad_signature"].count == 1
    assert report.shops[0].rejected["bad_signature"].count == 5
    assert [title for title, _ in sent] == ["haravan-tagger: webhook_signature_failures"]
    await away.aclose()


async def test_all_processes_together_send_an_alert_once(
    redis: RedisClient, alerts: Alerts, sent: list[tuple[str, str]]
) -> None:
    other = Alerts(redis, send=alerts._send)

    for each in (alerts, other, alerts):
        each.raise_alert("unsigned", "a text", org=ORG)
        await each.drain()
    alerts.raise_alert("unsigned", "a text", org="2")
    await alerts.drain()

    assert [text for _, text in sent] == [f"Shop {ORG}: a text", "Shop 2: a text"]


async def test_without_redis_each_process_sends_an_alert_once(sent: list[tuple[str, str]]) -> None:
    async def send(title: str, text: str) -> bool:
        sent.append((title, text))
        return True

    away = connect("unix:///nowhere/at/all", patience_s=0)
    alerts = Alerts(away, send=send)
    for _ in range(3):
        alerts.raise_alert("unsigned", "a text", org=ORG)
        await alerts.drain()

    assert len(sent) == 1
    await away.aclose()


async def test_a_channel_that_hangs_does_not_block_the_caller(redis: RedisClient) -> None:
    never = asyncio.Event()

    async def send(_title: str, _text: str) -> bool:
        return await never.wait()

    alerts = Alerts(redis, send=send)
    for number in range(100):
        alerts.raise_alert("unsigned", "a text", org=str(number))

    assert len(alerts._sending) <= 32
    never.set()
    await alerts.drain()
