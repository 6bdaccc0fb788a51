"""The store's clock jumps by an hour: nobody has to wait for it, and nothing is written that should not be."""

from __future__ import annotations

import pytest

from service.domain.sync.retries import BREAKER_AFTER
from service.store.client import keys
from service.store.client.clock import handle_clock_step_back
from tests.workers.stage import ORG, Stage

HOUR_S = 3600.0


async def test_a_customer_that_was_just_taken_does_not_rest_for_an_hour(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=1)
    stage.haravan.faults.fail(502, endpoint="GET *", next=1)
    await stage.announce(customer)
    await stage.turn(rest_s=0)  # taken, and not cleared
    stage.clock.advance(-HOUR_S)

    stage.haravan.edit(customer, total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_trickle_does_not_gather_for_an_hour(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.redis.hset(stage.key("rate_limit"), mapping={"level": 60, "at": stage.now_ms, "size": 80})
    await stage.announce(customer)
    stage.clock.advance(-HOUR_S)

    await stage.turn(3)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_plan_from_a_time_to_come_is_made_anew(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.sweep.handle_clock_step()
    await stage.redis.hset(stage.key("state"), "write_open_until", str(stage.now_ms + 60_000))
    await stage.announce(customer)
    await stage.turn(rest_s=0)
    assert await stage.field(customer, "state") == "planned"
    stage.clock.advance(-HOUR_S)
    stage.haravan.edit(customer, total_spent=1)  # nobody announces it

    await stage.sweep.handle_clock_step()
    await stage.turn(3)

    assert stage.wrote() == 0


async def test_whoever_waits_for_a_retry_comes_at_once_after_a_step_back(stage: Stage) -> None:
    await stage.sweep.handle_clock_step()
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(502, endpoint="GET *", next=1)
    await stage.announce(customer)
    await stage.turn()
    await stage.redis.delete("tagger:queue:drain", stage.key("wakeup_pending"))  # the wake-up is lost, too
    stage.clock.advance(-HOUR_S)

    await stage.sweep.handle_clock_step()

    assert await stage.sweep.wake_due_shops() == 1
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_wake_up_that_seems_to_live_for_an_hour_keeps_nobody_from_ringing(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.sweep.handle_clock_step()
    await stage.announce(customer)
    await stage.redis.set(stage.key("wakeup_pending"), "1", px=3_605_000)
    await stage.redis.set(stage.key("lease"), "a dead holder's", px=3_615_000)
    stage.clock.advance(-HOUR_S)

    await stage.sweep.handle_clock_step()

    assert not await stage.redis.exists(stage.key("wakeup_pending"))
    assert 0 < await stage.redis.pttl(stage.key("lease")) <= 15_000


async def test_a_breaker_does_not_rest_for_an_hour_longer(stage: Stage) -> None:
    await stage.sweep.handle_clock_step()
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(2)]
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    await stage.mark(*customers)
    await stage.turn(BREAKER_AFTER + 1, rest_s=300)
    stage.haravan.faults.clear()
    stage.clock.advance(-HOUR_S - 300)

    await stage.sweep.handle_clock_step()
    await stage.turn(4)

    assert [stage.haravan.tags(each) for each in customers] == [{"VIP"}] * 2


async def test_a_404_is_still_confirmed_ten_minutes_later(stage: Stage) -> None:
    await stage.sweep.handle_clock_step()
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.delete(customer)
    await stage.mark(customer)
    await stage.turn()
    stage.clock.advance(-HOUR_S)

    await stage.sweep.handle_clock_step()
    await stage.turn(2, rest_s=300)
    assert await stage.owned(customer)
    await stage.turn(2, rest_s=301)

    assert not await stage.owned(customer)


async def test_a_step_forth_and_back_is_noticed(stage: Stage) -> None:
    await stage.sweep.handle_clock_step()
    stage.clock.advance(HOUR_S)
    await stage.sweep.handle_clock_step()
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(502, endpoint="GET *", next=1)
    await stage.announce(customer)
    await stage.turn(rest_s=0)
    stage.clock.advance(-HOUR_S)

    await stage.sweep.handle_clock_step()
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}


@pytest.mark.parametrize(
    ("steps_s", "seen_ms"),
    [
        pytest.param([-HOUR_S], [3_600_000], id="an hour back"),
        pytest.param([-HOUR_S, 1], [3_600_000, 0], id="once for each step"),
        pytest.param([HOUR_S], [0], id="forward"),
        pytest.param([-1], [0], id="a moment"),
    ],
)
async def test_a_step_back_is_seen_once(stage: Stage, steps_s: list[float], seen_ms: list[int]) -> None:
    await stage.sweep.handle_clock_step()
    seen = []
    for step_s in steps_s:
        stage.clock.advance(step_s)
        seen.append(
            await handle_clock_step_back(stage.redis, now_ms=stage.context.now_ms, orgs=stage.shops.orgs)
        )

    assert [round(each, -2) for each in seen] == seen_ms
    assert await stage.redis.zscore(keys.partition_key(ORG, "due_shops"), ORG) is None
