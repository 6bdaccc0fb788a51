"""Six nights that every service of this kind has once.

Each shows its alert, which was quiet before; the runbook page of the alert names one command, and that ends the night with
the right tags.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx2
import pytest
from arq.connections import ArqRedis

from service.store.jobs import last_heartbeat_ms
from tests.deploy.cli.environment import run_in_process
from tests.nights.conftest import METRICS_TOKEN, CallIn
from tests.support.processes import python_process
from tests.support.sender import Sender
from tests.support.shop import ORG
from tests.support.wait import wait_until
from tests.system.environment import RULES, System, all_expected_tags, running, working

pytestmark = [pytest.mark.timeout(600), pytest.mark.process]
ENVIRON: Final = MappingProxyType({"METRICS_TOKEN": METRICS_TOKEN})
HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
CUSTOMERS: Final = 12
NEW_SECRET: Final = "a-new-client-secret"
REPAIR_TIMEOUT_S: Final = 200.0  # on a busy machine
SETTLE_TIMEOUT_S: Final = 1_200.0  # a busy machine writes ten tags a second
MISTAKE: Final = RULES.replace("value: 10_000_000", "value: 0", 1)  # the first of them is that of the tag VIP


def a_day_of_orders(system: System) -> None:
    """Customers of every tier, announced by webhooks as far as the shop is subscribed."""
    for number in range(CUSTOMERS):
        system.haravan.create(total_spent=number * 6_000_000)


async def pass_time(system: System, seconds: float, *, step_s: float = HOUR_S) -> None:
    """Let simulated time pass, with the webhooks and their retries that fall due in it."""
    for _ in range(int(seconds // step_s)):
        await system.sandbox.play(step_s)


async def test_the_webhook_secret_is_wrong_for_an_hour(
    redis: ArqRedis, redis_url: str, queue_url: str, call_in: CallIn
) -> None:
    async with running(redis, redis_url, queue_url, environ=ENVIRON) as system:
        on_call, alert = call_in(system), {"kind": "webhook_signature_failures"}
        assert not await on_call.is_alerted("TaggerSecretWrong", **alert)
        system.haravan.replace_secret(NEW_SECRET)
        a_day_of_orders(system)
        await pass_time(system, HOUR_S, step_s=60)
        await on_call.alerted("TaggerSecretWrong", **alert)
        assert not any(system.tags().values())

        await on_call.run("shops", "secret", ORG, "--token-stdin", stdin=NEW_SECRET)
        await wait_until(lambda: accepts(system, NEW_SECRET))  # web processes read it within seconds
        await pass_time(system, 4 * HOUR_S)  # Haravan sends again what was refused

        await system.settled()
        assert system.tags() == all_expected_tags(system.haravan)
        assert system.haravan.subscriptions


async def test_the_token_expires(redis: ArqRedis, redis_url: str, queue_url: str, call_in: CallIn) -> None:
    async with running(redis, redis_url, queue_url, environ=ENVIRON) as system:
        on_call = call_in(system)
        assert not await on_call.is_alerted("TaggerTokenRejected", org=ORG)
        system.haravan.replace_token("a-new-token")
        a_day_of_orders(system)
        await on_call.alerted("TaggerTokenRejected", org=ORG)

        await on_call.run("shops", "token", ORG, "--token-stdin", stdin="a-new-token")

        await system.settled()
        assert system.tags() == all_expected_tags(system.haravan)
        await on_call.quiet("TaggerTokenRejected", org=ORG)


async def test_the_subscription_is_deleted(
    redis: ArqRedis, redis_url: str, queue_url: str, call_in: CallIn
) -> None:
    async with running(redis, redis_url, queue_url, environ=ENVIRON, nightly_interval_s=0.2) as system:
        on_call = call_in(system)
        await wait_until(
            lambda: system.redis.exists(system.key("nightly"))
        )  # the first night of a new shop does nothing
        await pass_time(system, DAY_S)
        await wait_until(lambda: had_its_night(system))
        assert not await on_call.is_alerted("TaggerSubscriptionLost")
        system.haravan.unsubscribe()
        a_day_of_orders(system)
        await system.settled()
        assert not any(system.tags().values())

        await pass_time(system, DAY_S)
        await on_call.alerted("TaggerSubscriptionLost")

        status = await on_call.run("subscription", "status", ORG)
        assert "customers/update" in status.out
        await wait_until(lambda: are_right(system), timeout_s=REPAIR_TIMEOUT_S)


async def test_haravan_is_down_for_a_day(
    redis: ArqRedis, redis_url: str, queue_url: str, call_in: CallIn
) -> None:
    async with running(redis, redis_url, queue_url, environ=ENVIRON) as system:
        on_call = call_in(system)
        assert not await on_call.is_alerted("TaggerHaravanFails")
        system.haravan.faults.fail(503, rate=1.0)
        a_day_of_orders(system)
        await on_call.scraped("tagger_api_requests_total", status="503")
        await outage(system, hours=1)
        await on_call.alerted("TaggerHaravanFails")
        await outage(system, hours=23)
        await on_call.alerted("TaggerHaravanFails")
        assert not any(system.tags().values())
        assert not await on_call.is_alerted("TaggerDeadLetters", org=ORG)  # an outage blames no customer

        system.haravan.faults.clear()
        await on_call.run("dead-letters", "retry", ORG)
        await pass_time(system, HOUR_S)

        await wait_until(lambda: are_right(system), timeout_s=REPAIR_TIMEOUT_S)
        await on_call.quiet("TaggerHaravanFails")


async def test_the_workers_are_dead_for_a_night(
    redis: ArqRedis, redis_url: str, queue_url: str, call_in: CallIn
) -> None:
    async with running(redis, redis_url, queue_url, environ=ENVIRON, workers=0) as system:
        on_call = call_in(system)
        async with working(system.settings, 1, system.clock):
            await wait_until(lambda: last_heartbeat_ms(redis))
            assert not await on_call.is_alerted("TaggerWorkersMissing")
        a_day_of_orders(system)
        await system.haravan.deliveries.wait_idle()
        await pass_time(system, 8 * HOUR_S)
        await on_call.alerted("TaggerWorkersMissing")
        assert system.haravan.deliveries.pending == 0  # each webhook was accepted
        assert not any(system.tags().values())

        assert on_call.names("worker")
        with python_process("-P", "-m", "deploy.cli", "worker", environ=system.environ):
            await wait_until(lambda: are_right(system), timeout_s=REPAIR_TIMEOUT_S)


@pytest.mark.timeout(4000)
@pytest.mark.parametrize("customers", [200, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_a_rule_tags_everybody_by_mistake(
    redis: ArqRedis, redis_url: str, queue_url: str, call_in: CallIn, tmp_path: Path, customers: int
) -> None:
    async with running(redis, redis_url, queue_url, environ=ENVIRON) as system:
        on_call, alert = call_in(system), {"kind": "large_publish"}
        system.haravan.populate(customers, seed=1)
        by_hand = system.tags()
        right = {
            customer: by_hand[customer] | tags for customer, tags in all_expected_tags(system.haravan).items()
        }
        await asyncio.to_thread(run_in_process, ("backfill", ORG), "")
        await wait_until(lambda: have(system, right), timeout_s=SETTLE_TIMEOUT_S, interval_s=1)
        assert not await on_call.is_alerted("TaggerAlertRaised", **alert)
        file = tmp_path / "rules.yaml"
        file.write_text(MISTAKE, encoding="utf-8")
        refused = await asyncio.to_thread(
            run_in_process, ("rules", "publish", ORG, str(file), "--lang", "en"), ""
        )
        assert (refused.code, "--approve" in refused.out) == (1, True), refused.out  # the guard warns
        await asyncio.to_thread(run_in_process, ("rules", "publish", ORG, str(file), "--approve"), "")
        await wait_until(lambda: all_have(system, "VIP"), timeout_s=SETTLE_TIMEOUT_S, interval_s=1)
        await on_call.alerted("TaggerAlertRaised", **alert)

        await on_call.run("rules", "rollback", ORG, "1")

        await wait_until(lambda: have(system, right), timeout_s=SETTLE_TIMEOUT_S, interval_s=1)


async def outage(system: System, *, hours: int) -> None:
    """Let simulated time pass. In each hour Haravan is asked, in vain."""
    for _ in range(hours):
        before = await failures(system)
        await pass_time(system, HOUR_S)
        await wait_until(lambda before=before: has_failed_since(system, before))


async def failures(system: System) -> int:
    """The failures that the circuit breaker has counted; a drain stores them when it ends."""
    return int(await system.redis.hget(system.key("state"), "read_failures") or 0)


async def has_failed_since(system: System, before: int) -> bool:
    return await failures(system) > before


async def accepts(system: System, secret: str) -> bool:
    """Whether the web process accepts what is signed with this secret. The body names no customer."""
    async with httpx2.AsyncClient(base_url=system.url) as client:
        return (await Sender(client).deliver(b"{}", secret=secret)).status_code == 200


async def had_its_night(system: System) -> bool:
    """Whether a nightly reconcile has seen the subscription."""
    return bool(await system.redis.hget(system.key("nightly"), "subscribed") == b"1")


async def all_have(system: System, tag: str) -> bool:
    return all(tag in tags for tags in system.tags().values())


async def have(system: System, tags: dict[int, set[str]]) -> bool:
    return system.tags() == tags


async def are_right(system: System) -> bool:
    return await have(system, all_expected_tags(system.haravan))
