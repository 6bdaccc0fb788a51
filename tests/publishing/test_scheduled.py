"""A scheduled publish goes live at its time, once, or is stopped and says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from service.cpu_pool import InProcess
from service.domain.access import Actor
from service.domain.documents.parser import parse_rules
from service.errors import Forbidden, NotFound, Refused
from service.publishing import scheduled
from service.publishing.draft import create_draft
from service.publishing.publish import NeedsApproval
from service.store import scheduled as store
from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.jobs import pending
from service.store.scheduled import ScheduledPublish
from service.store.shops.model import Shop
from tests.support.actors import LAN, MARKETER
from tests.support.publishing import rules, vip
from tests.workers.stage import ORG, Stage, drain_all, staged
from tests.workers.stepping import Steps
from workers.periodic.pending_jobs import PendingJobs

HOUR_MS = 3_600_000
LOWER = rules(vip(5_000_000))


@pytest.fixture
async def stage(redis: RedisClient) -> AsyncIterator[Stage]:
    """Forty customers who spent nothing, and one whom the scheduled rules give a tag: within the guard."""
    async with staged(redis) as stage:
        customers = [stage.haravan.create(total_spent=1) for _ in range(40)]
        await stage.mark(*customers, stage.haravan.create(total_spent=6_000_000))
        await drain_all(stage, "bulk", max_drains=50)
        yield stage


async def shop_of(stage: Stage) -> Shop:
    return await stage.shops.get_or_raise(ORG)


async def schedule(
    stage: Stage,
    text: str = LOWER,
    *,
    by: Actor = MARKETER,
    approved: bool = False,
    replace: bool = False,
    in_ms: int = HOUR_MS,
) -> ScheduledPublish:
    shop = await shop_of(stage)
    draft = await create_draft(stage.context, shop, parse_rules(text))
    return await scheduled.schedule_publish(
        stage.context,
        shop,
        draft,
        at_ms=stage.now_ms + in_ms,
        by=by,
        note="Hạ ngưỡng",
        approved=approved,
        replace=replace,
    )


async def work(stage: Stage) -> None:
    """A worker executes all jobs."""
    while await stage.execute_jobs():
        pass


def tagged(stage: Stage) -> int:
    return sum("VIP" in stage.haravan.tags(customer) for customer in stage.haravan.ids())


async def actions(stage: Stage) -> list[tuple[str, str]]:
    return [(row.entry.action, row.entry.by) for row in await audit_log.list_entries(stage.redis, ORG)]


async def add_rich(stage: Stage, count: int) -> None:
    await stage.mark(*(stage.haravan.create(total_spent=6_000_000) for _ in range(count)))
    await drain_all(stage, "bulk", max_drains=50)


async def test_it_goes_live_at_its_time_and_not_before(stage: Stage) -> None:
    entry = await schedule(stage)
    await work(stage)
    before = await stage.versions.live_number(ORG)

    stage.clock.advance(HOUR_MS / 1000)
    await work(stage)
    await drain_all(stage, "bulk", max_drains=50)

    live = await stage.versions.live(ORG)
    assert live is not None
    assert (before, live.number, live.author, live.note) == (1, 2, "Mai", "Hạ ngưỡng")
    assert live.scheduled_ms == entry.at_ms
    assert not scheduled.is_late(live)
    assert tagged(stage) == 1
    assert await scheduled.find(stage.context, ORG) is None
    assert await actions(stage) == [("publish_scheduled", "Mai"), ("schedule", "Mai")]


async def test_many_workers_publish_it_once(stage: Stage) -> None:
    await schedule(stage)
    stage.clock.advance(HOUR_MS / 1000)

    outcomes = await asyncio.gather(*(scheduled.publish_due(stage.context, ORG) for _ in range(5)))

    assert outcomes.count("published") == 1
    assert await stage.versions.live_number(ORG) == 2


async def test_a_worker_that_dies_at_any_await_publishes_it_once(stage: Stage) -> None:
    waits = 0
    while True:
        waits += 1
        number = await stage.versions.live_number(ORG)
        await schedule(stage, rules(vip(5_000_000 + waits)), by=LAN, approved=True)
        stage.clock.advance(HOUR_MS / 1000)
        steps = Steps(waits, _cancel)
        await steps.drive(_publish_due(stage))

        await work(stage)

        where = f"wait {waits} of {steps.seen}"
        assert await stage.versions.live_number(ORG) == number + 1, where
        assert await scheduled.find(stage.context, ORG) is None, where
        assert not [job for job in await pending.list_jobs(stage.redis) if job.kind == "scheduled_publish"]
        if steps.seen < waits:
            break


async def test_what_was_missed_while_everything_was_down_runs_late_and_says_so(stage: Stage) -> None:
    entry = await schedule(stage)
    missed = msgspec.structs.replace(
        entry, at_ms=entry.scheduled_ms - 5 * HOUR_MS
    )  # versions have the server's time
    async with stage.redis.pipeline() as pipe:
        store.queue_save(pipe, ORG, missed)
        await pipe.execute()
    alerts = stage.drain.alerts

    await PendingJobs(stage.context, InProcess(stage.context), alerts).run()
    await alerts.drain()

    live = await stage.versions.live(ORG)
    assert live is not None
    assert live.scheduled_ms == missed.at_ms
    assert scheduled.is_late(live)
    assert await stage.redis.exists(stage.key("alert_sent:scheduled_publish_late"))


async def test_a_version_from_meanwhile_stops_it(stage: Stage) -> None:
    await schedule(stage)
    await stage.publish(rules(vip(20_000_000)))
    stage.clock.advance(HOUR_MS / 1000)
    alerts = stage.drain.alerts

    await PendingJobs(stage.context, InProcess(stage.context), alerts).run()
    await alerts.drain()

    entry = await scheduled.load_scheduled(stage.context, ORG)
    assert entry.stop is not None
    assert (entry.stop.reason, entry.stop.live) == ("conflict", 2)
    assert "version 2 went live after it was scheduled over version 1" in scheduled.describe_stop(entry)
    assert await stage.versions.live_number(ORG) == 2
    assert not await pending.list_jobs(stage.redis)
    assert await stage.redis.exists(stage.key("alert_sent:scheduled_publish_stopped"))


async def test_the_guard_of_the_due_time_stops_it_until_ops_approves(stage: Stage) -> None:
    await schedule(stage)
    await add_rich(stage, 9)
    stage.clock.advance(HOUR_MS / 1000)

    await work(stage)

    shop, entry = await shop_of(stage), await scheduled.load_scheduled(stage.context, ORG)
    assert entry.stop is not None
    assert (entry.stop.reason, entry.stop.touched) == ("guard", 10)
    draft = await scheduled.draft_scheduled(stage.context, shop, entry)
    with pytest.raises(Forbidden):
        await scheduled.publish_scheduled(stage.context, shop, entry, draft, by=MARKETER, approved=True)
    published = await scheduled.publish_scheduled(stage.context, shop, entry, draft, by=LAN, approved=True)
    await work(stage)
    await drain_all(stage, "bulk", max_drains=50)
    assert (published.version.author, published.version.note) == ("Lan", "Hạ ngưỡng")
    assert tagged(stage) == 10
    assert await scheduled.find(stage.context, ORG) is None


async def test_a_large_change_is_scheduled_with_an_approval_which_holds_for_about_its_size(
    stage: Stage,
) -> None:
    await add_rich(stage, 9)
    with pytest.raises(NeedsApproval):
        await schedule(stage)
    with pytest.raises(Forbidden):
        await schedule(stage, approved=True)
    await schedule(stage, by=LAN, approved=True)
    await add_rich(stage, 3)
    stage.clock.advance(HOUR_MS / 1000)

    await work(stage)

    assert await stage.versions.live_number(ORG) == 2


async def test_an_approval_does_not_hold_for_a_much_larger_change(stage: Stage) -> None:
    await add_rich(stage, 9)
    await schedule(stage, by=LAN, approved=True)
    await add_rich(stage, 40)
    stage.clock.advance(HOUR_MS / 1000)

    await work(stage)

    assert await stage.versions.live_number(ORG) == 1


async def test_it_is_moved_and_cancelled(stage: Stage) -> None:
    first = await schedule(stage)
    moved = await scheduled.reschedule_publish(stage.context, ORG, at_ms=first.at_ms + HOUR_MS, by=MARKETER)
    stage.clock.advance(HOUR_MS / 1000 + 1)
    await work(stage)
    assert await stage.versions.live_number(ORG) == 1
    assert (await scheduled.load_scheduled(stage.context, ORG)) == moved

    await scheduled.cancel_scheduled(stage.context, ORG, by=MARKETER)
    stage.clock.advance(2 * HOUR_MS / 1000)
    await work(stage)

    assert await stage.versions.live_number(ORG) == 1
    with pytest.raises(NotFound):
        await scheduled.load_scheduled(stage.context, ORG)
    assert [action for action, _ in await actions(stage)] == ["unschedule", "reschedule", "schedule"]


async def test_another_one_is_replaced_only_on_purpose(stage: Stage) -> None:
    await schedule(stage)

    with pytest.raises(Refused, match="has a scheduled publish already"):
        await schedule(stage, rules(vip(7_000_000)))
    replaced = await schedule(stage, rules(vip(7_000_000)), replace=True)

    assert await scheduled.load_scheduled(stage.context, ORG) == replaced
    assert len(await pending.list_jobs(stage.redis)) == 1


@pytest.mark.parametrize(("in_ms", "why"), [(-1, "is over already"), (400 * 24 * HOUR_MS, "a year ahead")])
async def test_a_time_that_makes_no_sense_is_refused(stage: Stage, in_ms: int, why: str) -> None:
    with pytest.raises(Refused, match=why):
        await schedule(stage, in_ms=in_ms)
    assert await actions(stage) == []


async def test_the_same_rules_from_elsewhere_end_it_in_silence(stage: Stage) -> None:
    await schedule(stage)
    await stage.publish(LOWER)
    stage.clock.advance(HOUR_MS / 1000)

    await work(stage)

    assert await scheduled.find(stage.context, ORG) is None
    assert await stage.versions.live_number(ORG) == 2


async def test_rules_that_the_shop_does_not_accept_any_more_stop_it(stage: Stage) -> None:
    await schedule(stage)
    await stage.redis.hset(stage.key("shop"), "currency", "USD")
    stage.clock.advance(HOUR_MS / 1000)

    await work(stage)

    entry = await scheduled.load_scheduled(stage.context, ORG)
    assert entry.stop is not None
    assert entry.stop.reason == "refused"
    assert "USD" in entry.stop.text


async def _publish_due(stage: Stage) -> None:
    await scheduled.publish_due(stage.context, ORG)


async def _cancel(steps: Steps) -> None:
    steps.cancel()
