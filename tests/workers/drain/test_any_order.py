"""After any sequence of events and faults, the tags are those of a from-scratch evaluation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.store.client import RedisClient
from tests.workers.stage import ORG, TIERS, Stage, staged

TOTALS = st.sampled_from([1, 12_000_000, 60_000_000])
CUSTOMER = st.integers(0, 3)
STEP = st.one_of(
    st.tuples(st.just("spend"), CUSTOMER, TOTALS),
    st.tuples(st.just("spend unannounced"), CUSTOMER, TOTALS),
    st.tuples(st.just("webhook"), CUSTOMER),
    st.tuples(st.just("remove by hand"), CUSTOMER),
    st.tuples(
        st.just("fault"), st.sampled_from(["502", "no response", "429", "other tags", "omit", "404", "422"])
    ),
    st.tuples(st.just("lease lost"), st.just(0)),
    st.tuples(st.just("drain"), st.sampled_from([0.1, 3.0, 40.0])),
)


@pytest.mark.timeout(900)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=5, max_size=25))
async def test_after_any_events_and_faults_the_tags_are_right_and_no_mark_is_left(
    redis: RedisClient, steps: list[Any]
) -> None:
    await redis.flushall()
    async with staged(redis, rules=TIERS) as stage:
        customers = [stage.haravan.create(total_spent=1) for _ in range(4)]
        for step in steps:
            await _do(stage, customers, step)
        await _settle_down(stage, customers)

        assert [stage.haravan.tags(customer) for customer in customers] == [
            _wanted(stage, customer) for customer in customers
        ]
        assert [customer for customer in customers if await stage.is_marked(customer)] == []
        has_manual_removals = any(step[0] == "remove by hand" for step in steps)
        drift = [fields[b"tag"] for _, fields in await redis.xrange(stage.key("drift"))]
        assert not drift or has_manual_removals  # our writes are no drift
        assert not [tag for tag in drift if tag.startswith(b"+")]


async def _do(stage: Stage, customers: list[int], step: tuple[Any, ...]) -> None:
    match step:
        case ("spend", index, total):
            stage.haravan.edit(customers[index], total_spent=total)
            await stage.announce(customers[index])
        case ("spend unannounced", index, total):
            stage.haravan.edit(customers[index], total_spent=total)
        case ("webhook", index):
            await stage.announce(customers[index])
        case ("remove by hand", index):
            for tag in stage.haravan.tags(customers[index]):
                stage.haravan.untag_by_hand(customers[index], tag)
            await stage.announce(customers[index])
        case ("fault", kind):
            _add_fault(stage, kind)
        case ("lease lost", _):
            await stage.redis.delete(stage.key("lease"))
        case ("drain", rest_s):
            await stage.turn(rest_s=rest_s)


def _add_fault(stage: Stage, kind: str) -> None:
    faults = stage.haravan.faults
    match kind:
        case "no response":
            faults.lose_answer()
        case "429":
            faults.throttle(2.0)
        case "other tags":
            faults.disagree()
        case "omit":
            faults.ids_mode = "omit"
        case _:
            faults.fail(int(kind))


async def _settle_down(stage: Stage, customers: list[int]) -> None:
    """End the faults, let a day pass, and mark all customers, as the daily audit does."""
    stage.haravan.faults.clear()
    stage.clock.advance(25 * 3600)
    await stage.shops.resume(ORG)
    await stage.mark(*customers, cause="audit")
    await stage.turn(4)
    stage.clock.advance(700)
    await stage.turn(4)


def _wanted(stage: Stage, customer: int) -> set[str]:
    total = stage.haravan.customer(customer)["total_spent"]
    return {"Gold"} if total >= 50_000_000 else {"Silver"} if total >= 10_000_000 else set()
