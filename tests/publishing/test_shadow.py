"""Shadow mode writes nothing, and its end writes every pending change, also if its caller dies."""

from __future__ import annotations

import pytest

from service.errors import Refused
from service.publishing import shadow
from service.publishing.draft import Draft
from service.publishing.publish import NeedsApproval
from service.publishing.shadow import begin_shadow_mode, draft_end_of_shadow_mode, end_shadow_mode
from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.jobs import pending, runs
from service.store.jobs.runs import Run
from tests.support.actors import LAN
from tests.workers.stage import ORG, VIP, Stage, staged
from tests.workers.stepping import Steps

pytestmark = pytest.mark.timeout(900)
RICH, POOR = 12_000_000, 1
HIGHER = VIP.replace("10_000_000", "50_000_000")


async def enable_shadow(stage: Stage) -> bool:
    return await begin_shadow_mode(stage.context, await stage.shops.get_or_raise(ORG), by=LAN)


async def draft_end(stage: Stage) -> Draft:
    return await draft_end_of_shadow_mode(stage.context, await stage.shops.get_or_raise(ORG))


async def disable_shadow(stage: Stage, draft: Draft | None = None, *, approved: bool = True) -> Run | None:
    """Ask for the end of shadow mode; a worker does its part."""
    run = await request_end(stage, draft, approved=approved)
    await stage.execute_jobs()
    return run and await runs.get(stage.redis, ORG, run.id)


async def request_end(stage: Stage, draft: Draft | None = None, *, approved: bool = True) -> Run | None:
    shop = await stage.shops.get_or_raise(ORG)
    return await end_shadow_mode(
        stage.context, shop, draft or await draft_end(stage), by=LAN, approved=approved
    )


async def test_the_end_of_shadow_mode_writes_every_pending_change(redis: RedisClient) -> None:
    async with staged(redis, shadow=True) as stage:
        rich, poor = (stage.haravan.create(total_spent=each) for each in (RICH, POOR))
        await stage.mark(rich, poor)
        await stage.turn(2)
        assert stage.wrote() == 0

        run = await disable_shadow(stage)
        await stage.turn(2)

        assert run is not None
        assert (run.total, run.by, run.reason) == (1, "Lan", shadow.RUN_REASON)
        assert stage.haravan.tags(rich) == {"VIP"}
        assert stage.haravan.tags(poor) == set()
        assert set(await stage.owned(rich)) == {"vip"}
        assert [row.entry.action for row in await audit_log.list_entries(redis, ORG)] == ["live"]


async def test_the_run_may_remove_as_many_tags_as_its_preview(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=RICH)
    await stage.announce(customer)
    await stage.turn(2)
    await enable_shadow(stage)
    stage.haravan.edit(customer, total_spent=POOR)
    await stage.announce(customer)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}

    run = await disable_shadow(stage)
    await stage.turn(2)

    assert run is not None
    assert await stage.redis.hget(stage.key(f"run:{run.id}"), "may_remove") == b"1"
    assert stage.haravan.tags(customer) == set()


async def test_the_end_of_shadow_mode_needs_an_approval_like_a_publish(redis: RedisClient) -> None:
    async with staged(redis, shadow=True) as stage:
        await stage.mark(stage.haravan.create(total_spent=RICH))
        await stage.turn(2)

        with pytest.raises(NeedsApproval):
            await disable_shadow(stage, approved=False)

        assert (await stage.shops.get_or_raise(ORG)).shadow


async def test_the_end_of_shadow_mode_by_an_outdated_draft_is_refused(redis: RedisClient) -> None:
    async with staged(redis, shadow=True) as stage:
        draft = await draft_end(stage)
        await stage.publish(HIGHER)

        with pytest.raises(Refused, match="version 2 is live, you looked at 1"):
            await disable_shadow(stage, draft)


@pytest.mark.parametrize("rules", ["", VIP], ids=["no rules", "nobody known"])
async def test_shadow_mode_ends_also_without_rules_or_customers(redis: RedisClient, rules: str) -> None:
    async with staged(redis, shadow=True, rules=rules) as stage:
        run = await disable_shadow(stage, approved=False)

        assert (run is not None) is bool(rules)
        assert run is None or (run.total, run.is_active) == (0, False)
        assert not (await stage.shops.get_or_raise(ORG)).shadow
        assert not await pending.list_jobs(redis)
        with pytest.raises(Refused, match="is not in shadow mode"):
            await disable_shadow(stage)


async def test_shadow_mode_begins_once(stage: Stage) -> None:
    assert await enable_shadow(stage)
    assert not await enable_shadow(stage)
    assert [row.entry.action for row in await audit_log.list_entries(stage.redis, ORG)] == ["shadow"]


async def test_a_write_planned_before_shadow_mode_is_not_executed_in_it(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=RICH)
    rests = {"write_failures": 5, "write_open_until": stage.now_ms + 60_000}
    await stage.redis.hset(stage.key("state"), mapping=rests)
    await stage.announce(customer)
    await stage.turn()
    assert await stage.field(customer, "state") == "planned"

    await enable_shadow(stage)
    await stage.redis.hdel(stage.key("state"), *rests)
    await stage.turn(3)

    assert stage.wrote() == 0
    assert await stage.ledger(customer) == ["+VIP"]
    assert not await stage.is_marked(customer)


async def test_a_customer_read_before_shadow_mode_begins_is_not_written(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=RICH)
    stage.haravan.on_call("GET customer", lambda: enable_shadow(stage))
    await stage.announce(customer)

    await stage.turn(3)

    assert stage.wrote() == 0
    assert not await stage.is_marked(customer)
    await disable_shadow(stage)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_decision_made_before_shadow_mode_ends_is_made_again(redis: RedisClient) -> None:
    async with staged(redis, shadow=True) as stage:
        customer = stage.haravan.create(total_spent=POOR)
        await stage.announce(customer)
        await stage.turn(2)
        stage.haravan.edit(customer, total_spent=RICH)
        stage.haravan.on_call("GET customer", lambda: disable_shadow(stage))
        await stage.announce(customer)

        await stage.turn(3)

        assert stage.haravan.tags(customer) == {"VIP"}


async def test_shadow_mode_may_begin_at_any_await_of_a_drain(stage: Stage) -> None:
    waits = 0
    while True:
        waits += 1
        customer = stage.haravan.create(total_spent=RICH)
        await stage.announce(customer)
        steps = Steps(waits, lambda _: _enable(stage))
        await steps.drive(stage.drain(ORG))
        before = stage.wrote()
        await stage.turn(2)

        where = f"wait {waits} of {steps.seen}"
        if steps.seen >= waits:  # else it never began
            assert stage.wrote() == before, where
        assert not await stage.is_marked(customer), where
        if not await _ends_right(stage, customer, steps, waits):
            break


async def test_shadow_mode_may_end_at_any_await_of_a_drain(stage: Stage) -> None:
    waits = 0
    while True:
        waits += 1
        await enable_shadow(stage)
        customer = stage.haravan.create(total_spent=RICH)
        await stage.announce(customer)
        steps = Steps(waits, lambda _: _disable(stage))
        await steps.drive(stage.drain(ORG))

        if not await _ends_right(stage, customer, steps, waits):
            break


async def test_a_worker_completes_the_end_of_shadow_mode_if_the_caller_dies_at_any_await(
    stage: Stage,
) -> None:
    waits = 0
    while True:
        waits += 1
        await enable_shadow(stage)
        customer = stage.haravan.create(total_spent=RICH)
        await stage.announce(customer)
        await stage.turn(2)
        steps = Steps(waits, _cancel)
        await steps.drive(_disable(stage, await draft_end(stage)))
        shadow_on = (await stage.shops.get_or_raise(ORG)).shadow

        await stage.execute_jobs()
        await stage.turn(3)

        where = f"wait {waits} of {steps.seen}"
        assert stage.haravan.tags(customer) == (set() if shadow_on else {"VIP"}), where
        assert not await pending.list_jobs(stage.redis), where
        if not await _ends_right(stage, customer, steps, waits):
            break


async def _cancel(steps: Steps) -> None:
    steps.cancel()


async def _enable(stage: Stage) -> None:
    await enable_shadow(stage)


async def _disable(stage: Stage, draft: Draft | None = None) -> None:
    await disable_shadow(stage, draft)


async def _ends_right(stage: Stage, customer: int, steps: Steps, waits: int) -> bool:
    """Live again, the customer has its tag; False when the driven work waited less often than was tried."""
    if (await stage.shops.get_or_raise(ORG)).shadow:
        await disable_shadow(stage)
    stage.clock.advance(20)
    await stage.turn(4)
    where = f"wait {waits} of {steps.seen}"
    assert stage.haravan.tags(customer) == {"VIP"}, where
    assert not await stage.is_marked(customer), where
    return steps.seen >= waits
