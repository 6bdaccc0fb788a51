"""A freeze writes nothing between its days, loses nothing, and ends by itself within the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.cpu_pool import InProcess
from service.domain.documents.parser import parse_rules
from service.errors import Forbidden, Refused
from service.publishing import freeze
from service.publishing.draft import create_draft
from service.publishing.publish import NeedsApproval, publish_draft
from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.jobs import pending, runs
from service.store.shops import Freeze
from service.store.shops.model import Shop
from tests.support.actors import LAN, MARKETER
from tests.support.publishing import publish, roll_back_to, rules, run_of, vip
from tests.workers.stage import ORG, Stage, drain_all, staged
from tests.workers.stepping import Steps
from workers.periodic.pending_jobs import PendingJobs

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
RICH, POOR = 12_000_000, 1
DAYS = 3


@pytest.fixture
async def stage(redis: RedisClient) -> AsyncIterator[Stage]:
    async with staged(redis) as stage:
        yield stage


def today(stage: Stage) -> date:
    return datetime.fromtimestamp(stage.now_ms / 1000, UTC).astimezone(ZONE).date()


async def shop_of(stage: Stage) -> Shop:
    return await stage.shops.get_or_raise(ORG)


async def freeze_now(stage: Stage) -> Freeze:
    """Freeze the shop from today on."""
    shop, first = await shop_of(stage), today(stage)
    return await freeze.set_freeze(stage.context, shop, first, first + timedelta(days=DAYS - 1), by=MARKETER)


async def pass_until(stage: Stage, moment_ms: int) -> None:
    """Let the time pass, with a nightly's worth of drains at its end."""
    stage.clock.advance(max(0.0, (moment_ms - stage.now_ms) / 1000))


async def end_by_itself(stage: Stage) -> None:
    """Let the last day pass; a worker executes its jobs, and drains."""
    frozen = (await shop_of(stage)).freeze
    assert frozen is not None
    await pass_until(stage, frozen.until_ms)
    while await stage.execute_jobs():
        pass
    await drain_all(stage, "bulk", max_drains=50)


def many_poor(stage: Stage, count: int = 40) -> list[int]:
    """Enough customers that one change is within the guard."""
    return [stage.haravan.create(total_spent=POOR) for _ in range(count)]


async def test_the_days_of_a_freeze_are_those_of_the_shop(stage: Stage) -> None:
    first = today(stage) + timedelta(days=10)

    frozen = await freeze.set_freeze(stage.context, await shop_of(stage), first, first, by=MARKETER)

    begins, ends = (
        datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZONE) for ms in (frozen.from_ms, frozen.until_ms)
    )
    assert (begins.date(), begins.hour, begins.minute) == (first, 0, 0)
    assert ends - begins == timedelta(days=1)
    assert (await shop_of(stage)).freeze == frozen
    assert frozen.state(frozen.from_ms - 1) == "planned"
    assert frozen.state(frozen.from_ms) == "active"


async def test_nothing_is_written_in_a_freeze_and_everything_at_its_end(stage: Stage) -> None:
    await stage.mark(*many_poor(stage))
    await drain_all(stage, "bulk", max_drains=50)
    await freeze_now(stage)
    rich = stage.haravan.create(total_spent=RICH)
    await stage.announce(rich)
    await stage.turn(3)
    during = stage.wrote(), await stage.is_marked(rich)

    await end_by_itself(stage)

    assert during == (0, False)  # it was decided on, and nothing waits
    assert stage.haravan.tags(rich) == {"VIP"}
    assert (await shop_of(stage)).freeze is None
    assert not await pending.list_jobs(stage.redis)
    [run] = await runs.latest(stage.redis, ORG)
    assert (run.reason, run.total, run.done, run.added) == (freeze.RUN_REASON, 1, 1, 1)


async def test_a_planned_freeze_begins_by_itself(stage: Stage) -> None:
    first = today(stage) + timedelta(days=1)
    frozen = await freeze.set_freeze(stage.context, await shop_of(stage), first, first, by=MARKETER)
    before, after = (stage.haravan.create(total_spent=RICH) for _ in range(2))
    await stage.announce(before)
    await stage.turn(2)
    await pass_until(stage, frozen.from_ms)
    await stage.announce(after)

    await stage.turn(3)

    assert (stage.haravan.tags(before), stage.haravan.tags(after)) == ({"VIP"}, set())


async def test_a_plan_from_before_the_freeze_is_not_written_in_it(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=RICH)
    rests = {"write_failures": 5, "write_open_until": stage.now_ms + 60_000}
    await stage.redis.hset(stage.key("state"), mapping=rests)
    await stage.announce(customer)
    await stage.turn()
    assert await stage.field(customer, "state") == "planned"

    await freeze_now(stage)
    await stage.redis.hdel(stage.key("state"), *rests)
    await stage.turn(3)

    assert stage.wrote() == 0


async def test_a_freeze_may_begin_at_any_await_of_a_drain(stage: Stage) -> None:
    waits = 0
    while True:
        waits += 1
        customer = stage.haravan.create(total_spent=RICH)
        await stage.announce(customer)
        steps = Steps(waits, lambda _: _freeze(stage))
        await steps.drive(stage.drain(ORG))
        before = stage.wrote()
        await stage.turn(2)

        where = f"wait {waits} of {steps.seen}"
        if steps.seen >= waits:  # else it never began
            assert stage.wrote() == before, where
            await end_now(stage)
        stage.clock.advance(20)
        await stage.turn(4)
        assert stage.haravan.tags(customer) == {"VIP"}, where
        assert not await stage.is_marked(customer), where
        if steps.seen < waits:
            break


async def test_a_decision_made_before_the_end_is_made_again(stage: Stage) -> None:
    await freeze_now(stage)
    customer = stage.haravan.create(total_spent=POOR)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=RICH)
    stage.haravan.on_call("GET customer", lambda: end_now(stage))
    await stage.announce(customer)

    await stage.turn(4)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_beyond_the_guard_the_shop_stays_frozen_until_an_approval(stage: Stage) -> None:
    await freeze_now(stage)
    rich = [stage.haravan.create(total_spent=RICH) for _ in range(4)]
    await stage.mark(*rich)
    await drain_all(stage, "bulk", max_drains=50)
    await end_by_itself(stage)
    shop = await shop_of(stage)
    assert shop.freeze is not None
    assert shop.freeze.state(stage.now_ms) == "waiting"
    late = stage.haravan.create(total_spent=RICH)
    await stage.announce(late)
    await stage.turn(2)
    assert stage.wrote() == 0

    draft = await freeze.draft_end_of_freeze(stage.context, shop)
    with pytest.raises(NeedsApproval):
        await freeze.end_freeze(stage.context, shop, draft, by=LAN)
    with pytest.raises(Forbidden):
        await freeze.end_freeze(stage.context, shop, draft, by=MARKETER, approved=True)
    run = await freeze.end_freeze(stage.context, shop, draft, by=LAN, approved=True)
    await stage.execute_jobs()
    await drain_all(stage, "bulk", max_drains=50)

    assert run is not None
    assert [stage.haravan.tags(each) for each in (*rich, late)] == [{"VIP"}] * 5
    assert [row.entry.action for row in await audit_log.list_entries(stage.redis, ORG)] == [
        "end_freeze",
        "freeze",
    ]


async def test_the_worker_says_that_an_approval_is_needed(stage: Stage) -> None:
    await freeze_now(stage)
    await stage.mark(stage.haravan.create(total_spent=RICH))
    await stage.turn(2)
    await pass_until(stage, stage.now_ms + DAYS * 86_400_000)
    alerts = stage.drain.alerts

    await PendingJobs(stage.context, InProcess(stage.context), alerts).run()
    await alerts.drain()

    assert await stage.redis.exists(stage.key("alert_sent:freeze_waiting"))


async def test_a_publish_in_a_freeze_goes_live_and_is_written_at_the_end(stage: Stage) -> None:
    poor = many_poor(stage)
    middle = stage.haravan.create(total_spent=6_000_000)
    await stage.mark(*poor, middle)
    await drain_all(stage, "bulk", max_drains=50)
    await freeze_now(stage)

    published = await _publish_frozen(stage, rules(vip(5_000_000)))
    await stage.turn(3)

    assert stage.wrote() == 0
    assert await stage.versions.live_number(ORG) == 2
    await end_by_itself(stage)
    assert stage.haravan.tags(middle) == {"VIP"}
    assert (await runs.get(stage.redis, ORG, published)).ended == "superseded"


async def test_a_roll_back_in_a_freeze_restores_what_was_removed_before_it(stage: Stage) -> None:
    poor = many_poor(stage)
    shop = await shop_of(stage)
    middle = stage.haravan.create(total_spent=12_000_000)
    await stage.mark(*poor, middle)
    await drain_all(stage, "bulk", max_drains=50)
    await publish(stage, shop, rules(vip(50_000_000)))
    await drain_all(stage, "bulk", max_drains=50)
    assert stage.haravan.tags(middle) == set()
    await freeze_now(stage)

    published = await roll_back_to_frozen(stage)
    await end_by_itself(stage)

    assert stage.haravan.tags(middle) == {"VIP"}
    assert published


async def test_only_the_last_day_of_a_begun_freeze_can_be_changed(stage: Stage) -> None:
    frozen = await freeze_now(stage)
    shop = await shop_of(stage)

    with pytest.raises(Refused, match="cannot be changed any more"):
        await freeze.set_freeze(stage.context, shop, frozen.first + timedelta(days=1), frozen.last, by=LAN)
    longer = await freeze.set_freeze(
        stage.context, shop, frozen.first, frozen.last + timedelta(days=2), by=LAN
    )
    await pass_until(stage, frozen.until_ms)
    await stage.execute_jobs()

    assert (await shop_of(stage)).freeze == longer


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (2, 1, "before the first"),
        (-3, -1, "over already"),
        (1, 200, "days at most"),
        (400, 401, "a year ahead"),
    ],
)
async def test_days_that_make_no_sense_are_refused(stage: Stage, first: int, last: int, why: str) -> None:
    start = today(stage)

    with pytest.raises(Refused, match=why):
        await freeze.set_freeze(
            stage.context,
            await shop_of(stage),
            start + timedelta(days=first),
            start + timedelta(days=last),
            by=LAN,
        )
    assert await audit_log.list_entries(stage.redis, ORG) == []


async def test_a_planned_freeze_is_cancelled_and_a_begun_one_is_not(stage: Stage) -> None:
    first = today(stage) + timedelta(days=1)
    await freeze.set_freeze(stage.context, await shop_of(stage), first, first, by=MARKETER)
    with pytest.raises(Refused, match="has not begun"):
        await freeze.draft_end_of_freeze(stage.context, await shop_of(stage))

    await freeze.cancel_freeze(stage.context, await shop_of(stage), by=MARKETER)

    assert (await shop_of(stage)).freeze is None
    assert not await pending.list_jobs(stage.redis)
    await freeze_now(stage)
    with pytest.raises(Refused, match="has begun"):
        await freeze.cancel_freeze(stage.context, await shop_of(stage), by=MARKETER)


async def test_an_end_by_an_outdated_preview_is_refused(stage: Stage) -> None:
    await freeze_now(stage)
    shop = await shop_of(stage)
    draft = await freeze.draft_end_of_freeze(stage.context, shop)
    await stage.publish(rules(vip(5)))

    with pytest.raises(Refused, match="changed meanwhile"):
        await freeze.end_freeze(stage.context, shop, draft, by=LAN, approved=True)
    assert (await shop_of(stage)).freeze is not None


async def _freeze(stage: Stage) -> None:
    await freeze_now(stage)


async def end_now(stage: Stage) -> None:
    """End the freeze before its last day; a worker does its part."""
    shop = await shop_of(stage)
    draft = await freeze.draft_end_of_freeze(stage.context, shop)
    await freeze.end_freeze(stage.context, shop, draft, by=LAN, approved=True)
    await stage.execute_jobs()


async def _publish_frozen(stage: Stage, text: str) -> str:
    """Publish in the freeze; the worker postpones the rollout. Returns the id of its run."""
    shop = await shop_of(stage)
    draft = await create_draft(stage.context, shop, parse_rules(text))
    assert draft.freeze is not None
    assert not draft.report.guard.needs_approval
    published = await publish_draft(stage.context, shop, draft, by=MARKETER, note="thử")
    await stage.execute_jobs()
    run = run_of(published)
    assert (await runs.get(stage.redis, ORG, run.id)).pending
    return run.id


async def roll_back_to_frozen(stage: Stage) -> bool:
    """Go back to the first version in the freeze."""
    published = await roll_back_to(stage, await shop_of(stage), 1)
    return run_of(published).pending


@pytest.mark.parametrize(
    ("first", "last"), [(date.min, date.min), (date.max, date.max), (date.min, date.max)]
)
async def test_the_ends_of_the_calendar_are_refused(stage: Stage, first: date, last: date) -> None:
    with pytest.raises(freeze.WrongDays):
        await freeze.set_freeze(stage.context, await shop_of(stage), first, last, by=LAN)
