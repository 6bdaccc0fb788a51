"""Whatever happens in whatever order: once the faults are over, the tags are those of a from-scratch evaluation."""

from __future__ import annotations

from typing import Any

import pytest
from arq.connections import ArqRedis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workers.stage import ORG, Stage, staged
from tests.workers.test_faults_of_writing import TIERS

TOTALS = st.sampled_from([1, 12_000_000, 60_000_000])
WHO = st.integers(0, 3)
STEP = st.one_of(
    st.tuples(st.just("spend"), WHO, TOTALS),
    st.tuples(st.just("spend unannounced"), WHO, TOTALS),
    st.tuples(st.just("tell"), WHO),
    st.tuples(st.just("take off"), WHO),
    st.tuples(st.just("fault"), st.sampled_from(["502", "lost", "429", "untrue", "omit", "404", "422"])),
    st.tuples(st.just("lock"), st.just(0)),
    st.tuples(st.just("turn"), st.sampled_from([0.1, 3.0, 40.0])),
)


@pytest.mark.timeout(900)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEP, min_size=5, max_size=25))
async def test_after_any_events_edits_faults_and_turns_the_tags_are_right_and_nothing_is_marked(
    redis: ArqRedis, steps: list[Any]
) -> None:
    await redis.flushall()
    async with staged(redis, rules=TIERS) as stage:
        customers = [stage.haravan.create(total_spent=1) for _ in range(4)]
        for step in steps:
            await _do(stage, customers, step)
        await _come_to_rest(stage, customers)

        assert [stage.haravan.tags(each) for each in customers] == [
            _wanted(stage, each) for each in customers
        ]
        assert [each for each in customers if await stage.is_marked(each)] == []
        undone = any(step[0] == "take off" for step in steps)
        noticed = [fields[b"tag"] for _, fields in await redis.xrange(stage.key("drift"))]
        assert not noticed or undone  # what we did is never taken for somebody else's doing
        assert not [each for each in noticed if each.startswith(b"+")]


async def _do(stage: Stage, customers: list[int], step: tuple[Any, ...]) -> None:
    match step:
        case ("spend", who, total):
            stage.haravan.edit(customers[who], total_spent=total)
            await stage.announce(customers[who])
        case ("spend unannounced", who, total):
            stage.haravan.edit(customers[who], total_spent=total)
        case ("tell", who):
            await stage.announce(customers[who])
        case ("take off", who):
            for tag in stage.haravan.tags(customers[who]):
                stage.haravan.untag_by_hand(customers[who], tag)
            await stage.announce(customers[who])
        case ("fault", kind):
            _spoil(stage, kind)
        case ("lock", _):
            await stage.redis.delete(stage.key("lease"))
        case ("turn", rest_s):
            await stage.turn(rest_s=rest_s)


def _spoil(stage: Stage, kind: str) -> None:
    faults = stage.haravan.faults
    match kind:
        case "lost":
            faults.lose_answer()
        case "429":
            faults.throttle(2.0)
        case "untrue":
            faults.disagree()
        case "omit":
            faults.ids_mode = "omit"
        case _:
            faults.fail(int(kind))


async def _come_to_rest(stage: Stage, customers: list[int]) -> None:
    """Faults off, a day later, everybody looked at once more, as the daily audit does."""
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
