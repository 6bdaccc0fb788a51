"""Pending jobs: workers share them, take over those of a dead worker, and evaluate in the CPU pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from service.cpu_pool import CpuPool, InProcess
from service.domain.documents.parser import parse_rules
from service.errors import EvaluationDied, Overloaded
from service.operations import claims
from service.publishing.draft import create_draft
from service.publishing.publish import publish_draft
from service.settings import read_settings
from service.store.client import RedisClient, keys
from service.store.jobs import pending, runs
from service.store.jobs.runs import Run
from tests.support.actors import LAN
from tests.support.publishing import run_of
from tests.workers.stage import ORG, VIP, Stage, staged
from workers.periodic.pending_jobs import PendingJobs

LOWER = VIP.replace("10_000_000", "5_000_000")


@pytest.fixture
async def stage(redis: RedisClient) -> AsyncIterator[Stage]:
    async with staged(redis) as stage:
        yield stage


class BlockedPool:
    """A pool whose calls wait for `released`."""

    def __init__(self, stage: Stage) -> None:
        self.called, self.released = asyncio.Event(), asyncio.Event()
        self._in_process = InProcess(stage.context)

    async def run(self, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        self.called.set()
        await self.released.wait()
        return await self._in_process.run(function, *args, **kwargs)


class DyingPool:
    """A pool whose process dies."""

    async def run(self, *_: Any, **__: Any) -> Any:
        raise Overloaded("the process has ended")


class KilledPool:
    """A pool whose process dies at every evaluation."""

    async def run(self, *_: Any, **__: Any) -> Any:
        raise EvaluationDied("the process has ended")


async def stored_customer(stage: Stage, *, tags: str = "") -> int:
    customer = stage.haravan.create(total_spent=6_000_000, tags=tags)
    await stage.mark(customer)
    await stage.turn(2)
    return customer


async def publish(stage: Stage, text: str = LOWER, *, is_large: bool = False) -> Run:
    shop = await stage.shops.get_or_raise(ORG)
    draft = await create_draft(stage.context, shop, parse_rules(text))
    guard = msgspec.structs.replace(draft.report.guard, needs_approval=is_large)
    draft = replace(draft, report=replace(draft.report, guard=guard))
    return run_of(await publish_draft(stage.context, shop, draft, by=LAN, note="", approved=True))


async def test_a_rollout_and_a_claim_are_evaluated_in_the_cpu_pool(
    stage: Stage, redis_url: str, queue_url: str
) -> None:
    pool = CpuPool(
        read_settings({"REDIS_URL": redis_url, "QUEUE_URL": queue_url, "SECRET_KEY": "0123456789abcdef" * 2}),
        processes=1,
    )
    jobs = PendingJobs(stage.context, pool)
    customer, copied = await stored_customer(stage), stage.haravan.create(total_spent=1, tags="VIP")
    await stage.mark(copied)
    await stage.turn(2)

    rollout = await publish(stage)
    assert await jobs.run() == 1
    shop = await stage.shops.get_or_raise(ORG)
    claim = await claims.plan_adoption(stage.context, shop, "VIP", matching_only=False)
    adoption = await claims.apply_claim(stage.context, shop, claim, by=LAN)
    assert await jobs.run() == 1
    await pool.stop()
    await stage.turn(3)

    assert adoption is not None
    assert stage.haravan.tags(customer) == {"VIP"}
    assert stage.haravan.tags(copied) == set()
    ended_runs = [await runs.get(stage.redis, ORG, run.id) for run in (rollout, adoption)]
    assert [(run.total, run.done, run.is_active) for run in ended_runs] == [(1, 1, False), (1, 1, False)]


async def test_a_worker_that_lost_the_lock_stops_and_another_executes_the_job(stage: Stage) -> None:
    customer, pool = await stored_customer(stage), BlockedPool(stage)
    run = await publish(stage)
    suspended = PendingJobs(stage.context, pool, renew_interval_s=0.01)
    working = asyncio.create_task(suspended.run())
    await pool.called.wait()

    await stage.redis.set(keys.pending_lock(ORG), "of another worker")
    assert await working == 0

    assert await stage.redis.get(keys.pending_lock(ORG)) == b"of another worker"
    assert not await stage.is_marked(customer)
    assert await stage.execute_jobs() == 1
    assert (await runs.get(stage.redis, ORG, run.id)).total == 1


@pytest.mark.parametrize("is_large", [True, False])
async def test_an_approved_publish_beyond_the_guard_raises_an_alert(stage: Stage, is_large: bool) -> None:
    alerts = stage.drain.alerts
    await stored_customer(stage)
    await publish(stage, is_large=is_large)

    assert await PendingJobs(stage.context, InProcess(stage.context), alerts).run() == 1
    await alerts.drain()

    assert bool(await stage.redis.exists(stage.key("alert_sent:large_publish"))) is is_large


async def test_the_lock_is_renewed_while_a_job_is_executed(stage: Stage) -> None:
    pool = BlockedPool(stage)
    await stored_customer(stage)
    await publish(stage)
    working = asyncio.create_task(PendingJobs(stage.context, pool, renew_interval_s=0.01).run())
    await pool.called.wait()

    await stage.redis.expire(keys.pending_lock(ORG), 1)
    async with asyncio.timeout(60):
        while await stage.redis.ttl(keys.pending_lock(ORG)) <= 1:  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.01)
    pool.released.set()

    assert await working == 1
    assert not await stage.redis.exists(keys.pending_lock(ORG))


async def test_a_job_whose_pool_dies_is_executed_in_the_next_pass(stage: Stage) -> None:
    await stored_customer(stage)
    await publish(stage)

    assert await PendingJobs(stage.context, DyingPool()).run() == 0

    [job] = await pending.list_jobs(stage.redis)
    assert job.due_ms == 0
    assert await stage.execute_jobs() == 1


async def test_the_jobs_of_a_removed_shop_are_deleted(stage: Stage) -> None:
    await stored_customer(stage)
    await publish(stage)
    await stage.shops.remove(ORG, erase=False)

    assert await stage.execute_jobs() == 0

    assert await pending.list_jobs(stage.redis) == []


async def test_a_rollout_whose_evaluation_dies_again_and_again_enqueues_everybody(stage: Stage) -> None:
    customer = await stored_customer(stage)
    await publish(stage)
    jobs = PendingJobs(stage.context, KilledPool())

    completed = []
    for _ in range(4):
        completed.append(await jobs.run())
        stage.clock.advance(31)
    await stage.turn(2)

    assert completed == [0, 0, 0, 1]
    assert stage.haravan.tags(customer) == {"VIP"}
