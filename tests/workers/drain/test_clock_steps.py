"""The clock of Redis jumps by an hour: no customer waits for it, and no wrong tag is written."""

from __future__ import annotations

import pytest

from service.domain.sync.circuit_breaker import BREAKER_AFTER
from service.store.client import keys
from service.store.client.clock import handle_clock_step_back
from tests.workers.stage import ORG, Stage

HOUR_S = 3600.0


async def test_a_customer_that_was_just_dequeued_does_not_wait_for_an_hour(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=1)
    stage.haravan.faults.fail(502, endpoint="GET *", next=1)
    await stage.announce(customer)
    await stage.turn(rest_s=0)  # dequeued, but not completed
    stage.clock.advance(-HOUR_S)

    stage.haravan.edit(customer, total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_drain_does_not_linger_for_an_hour(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.redis.hset(stage.key("rate_limit"), mapping={"level": 60, "at": stage.now_ms, "size": 80})
    await stage.announce(customer)
    stage.clock.advance(-HOUR_S)

    await stage.turn(3)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_plan_from_the_future_is_made_again(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.sweep.handle_clock_step()
    await stage.redis.hset(stage.key("state"), "write_open_until", str(stage.now_ms + 60_000))
    await stage.announce(customer)
    await stage.turn(rest_s=0)
    assert await stage.field(customer, "state") == "planned"
    stage.clock.advance(-HOUR_S)
    stage.haravan.edit(customer, total_spent=1)  # without a webhook

    await stage.sweep.handle_clock_step()
    await stage.turn(3)

    assert stage.wrote() == 0


async def test_a_retry_is_due_at_once_after_a_step_back(stage: Stage) -> None:
    await stage.sweep.handle_clock_step()
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(502, endpoint="GET *", next=1)
    await stage.announce(customer)
    await stage.turn()
    await stage.redis.queue.delete("tagger:queue:drain")  # the wake-up is lost as well
    await stage.redis.delete(stage.key("wakeup_pending"))
    stage.clock.advance(-HOUR_S)

    await stage.sweep.handle_clock_step()

    assert await stage.sweep.wake_due_shops() == 1
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_pending_wake_up_and_a_lease_do_not_last_an_hour_longer(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.sweep.handle_clock_step()
    await stage.announce(customer)
    await stage.redis.set(stage.key("wakeup_pending"), "1", px=3_605_000)
    await stage.redis.set(stage.key("lease"), "of a dead worker", px=3_615_000)
    stage.clock.advance(-HOUR_S)

    await stage.sweep.handle_clock_step()

    assert not await stage.redis.exists(stage.key("wakeup_pending"))
    assert 0 < await stage.redis.pttl(stage.key("lease")) <= 15_000


async def test_an_open_breaker_does_not_stay_open_for_an_hour_longer(stage: Stage) -> None:
    await stage.sweep.handle_clock_step()
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(2)]
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    await stage.mark(*customers)
    await stage.turn(BREAKER_AFTER + 1, rest_s=300)
    stage.haravan.faults.clear()
    stage.clock.advance(-HOUR_S - 300)

    await stage.sweep.handle_clock_step()
    await stage.turn(4)

    assert [stage.haravan.tags(customer) for customer in customers] == [{"VIP"}] * 2


async def test_a_404_is_confirmed_after_ten_minutes_as_before(stage: Stage) -> None:
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


async def test_a_step_forward_and_back_is_detected(stage: Stage) -> None:
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
    ("steps_s", "reported_ms"),
    [
        pytest.param([-HOUR_S], [3_600_000], id="an hour back"),
        pytest.param([-HOUR_S, 1], [3_600_000, 0], id="once for each step"),
        pytest.param([HOUR_S], [0], id="forward"),
        pytest.param([-1], [0], id="a moment"),
    ],
)
async def test_a_step_back_is_reported_once(
    stage: Stage, steps_s: list[float], reported_ms: list[int]
) -> None:
    await stage.sweep.handle_clock_step()
    reported = []
    for step_s in steps_s:
        stage.clock.advance(step_s)
        reported.append(
            await handle_clock_step_back(stage.redis, now_ms=stage.context.now_ms, orgs=stage.shops.orgs)
        )

    assert [round(step_ms, -2) for step_ms in reported] == reported_ms
    assert await stage.redis.zscore(keys.partition_key(ORG, "due_shops"), ORG) is None
