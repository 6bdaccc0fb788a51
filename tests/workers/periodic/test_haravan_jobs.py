"""Scans and changes of the subscription that people ask for over the ops API are made by a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from service.cpu_pool import InProcess
from service.errors import Refused
from service.operations.scans import RequestedScan, request_scan
from service.operations.subscription import load_subscription, request_subscription
from service.store.client import RedisClient, keys
from service.store.history import audit_log
from service.store.jobs import Counters, Run, pending, runs
from tests.support.actors import LAN
from tests.workers.stage import ORG, Stage, staged
from workers.periodic.haravan_jobs import HaravanJobs
from workers.periodic.pending_jobs import PendingJobs

Work = Callable[[], Awaitable[int]]


@pytest.fixture
async def stage(redis: RedisClient) -> AsyncIterator[Stage]:
    async with staged(redis) as stage:
        yield stage


@pytest.fixture
def work(stage: Stage) -> Work:
    """A worker that executes these jobs."""

    async def run() -> int:
        shop = await stage.shops.get_or_raise(ORG)
        jobs = HaravanJobs(
            session=stage.drain.session,
            rate_limiter=stage.drain.leases.rate_limiter,
            rules_cache=stage.drain.rules_cache,
            counters=Counters(stage.redis),
            subscribe_url=shop.api_url.removesuffix("/com") + "/api/subscribe",
        )
        return await PendingJobs(
            stage.context, InProcess(stage.context), execute=jobs.execute, at_haravan=True
        ).run()

    return run


async def scan(stage: Stage, *, since_ms: int | None = None) -> Run:
    shop = await stage.shops.get_or_raise(ORG)
    kind: RequestedScan = "backfill" if since_ms is None else "reconcile"
    return await request_scan(stage.context, shop, kind, since_ms=since_ms, by=LAN)


async def test_a_backfill_that_was_asked_for_queues_the_customers_with_wrong_tags(
    stage: Stage, work: Work
) -> None:
    rich, _ = stage.haravan.create(total_spent=20_000_000), stage.haravan.create(total_spent=5)

    asked = await scan(stage)
    completed = await work()

    after = await runs.get(stage.redis, ORG, asked.id)
    assert (asked.pending, asked.kind, asked.by, completed) == (True, "backfill", LAN.name, 1)
    assert (after.pending, after.scanned, after.total, after.ended) == (False, 2, 1, "")
    assert await stage.is_marked(rich)
    assert await pending.list_jobs(stage.redis, ORG) == []


async def test_one_scan_of_a_shop_is_in_progress_and_one_that_fails_has_ended(
    stage: Stage, work: Work
) -> None:
    asked = await scan(stage, since_ms=stage.now_ms)
    with pytest.raises(Refused, match=asked.id):
        await scan(stage)
    stage.haravan.faults.fail(401, next=9)

    await work()

    assert (await runs.get(stage.redis, ORG, asked.id)).ended == "failed"
    assert [row.entry.action for row in await audit_log.list_entries(stage.redis, ORG)] == ["reconcile"]
    stage.haravan.faults.clear()
    assert (await scan(stage)).id != asked.id


async def test_the_first_scan_of_a_shop_is_its_first_look(redis: RedisClient) -> None:
    async with staged(redis, first_look="pending") as stage:
        assert (await scan(stage, since_ms=1)).kind == "backfill"


async def test_a_shop_without_rules_is_not_scanned(redis: RedisClient) -> None:
    async with staged(redis, rules="") as stage:
        with pytest.raises(Refused, match="no rules yet"):
            await scan(stage)


async def test_a_scan_and_a_rollout_do_not_wait_for_each_other(stage: Stage, work: Work) -> None:
    await scan(stage)
    await stage.redis.set(keys.pending_lock(ORG), "another worker")

    assert await work() == 1


async def test_a_subscription_is_made_checked_and_removed(stage: Stage, work: Work) -> None:
    stage.haravan.app(url="https://tagger.example.com/webhooks/haravan")
    before = await load_subscription(stage.context, ORG)
    asked = await request_subscription(stage.context, ORG, "subscribe", by=LAN)
    again = await request_subscription(stage.context, ORG, "subscribe", by=LAN)
    with pytest.raises(Refused, match="earlier request"):
        await request_subscription(stage.context, ORG, "unsubscribe", by=LAN)
    await work()
    subscribed = await load_subscription(stage.context, ORG)
    await request_subscription(stage.context, ORG, "unsubscribe", by=LAN)
    await work()
    removed = await load_subscription(stage.context, ORG)

    assert (before.topics, asked.action, again) == (None, "subscribe", asked)
    assert subscribed.action is None
    assert {each.url for each in subscribed.topics or ()} == {"https://tagger.example.com/webhooks/haravan"}
    assert (removed.topics, removed.failure) == ((), "")
    actions = [row.entry.action for row in await audit_log.list_entries(stage.redis, ORG)]
    assert actions == ["unsubscribe", "subscribe"]


async def test_a_failure_of_haravan_is_told(stage: Stage, work: Work) -> None:
    shop = await stage.shops.get_or_raise(ORG)
    await stage.shops.set_token(ORG, replace(shop, token="wrong").token)

    await request_subscription(stage.context, ORG, "check", by=LAN)
    await work()

    known = await load_subscription(stage.context, ORG)
    assert (known.action, known.topics, bool(known.failure)) == (None, None, True)
    assert await audit_log.list_entries(stage.redis, ORG) == []
