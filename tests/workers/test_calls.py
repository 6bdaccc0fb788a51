"""What a drain costs: API calls a customer, turns that do nothing, and who waits for whom."""

from __future__ import annotations

from arq.connections import ArqRedis

from tests.workers.stage import Stage, staged
from tests.workers.test_faults_of_writing import TIERS


async def test_many_additions_cost_one_call_each_and_a_twentieth_for_reading(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(400)]
    await stage.mark(*customers)

    await _until_done(stage, "bulk", most=150)

    assert all(stage.haravan.tags(each) == {"VIP"} for each in customers)
    assert stage.haravan.calls.count() <= 1.05 * len(customers)
    assert stage.haravan.calls.count(status=429) == 0


async def test_twenty_additions_cost_twenty_one_calls(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(20)]
    for each in customers:
        await stage.announce(each)

    await stage.turn(4)

    assert stage.haravan.calls.by_endpoint() == {"GET customers": 1, "POST tags": 20}


async def test_the_unchanged_cost_a_fiftieth_each_and_their_echoes_nothing(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=1) for _ in range(200)]
    for each in customers:
        await stage.announce(each)
    await stage.turn(3)
    calls = stage.haravan.calls.count()

    for each in customers:
        await stage.announce(each)
    await stage.turn(3)

    assert calls <= 0.03 * len(customers)
    assert stage.haravan.calls.count() == calls


async def test_a_turn_that_took_long_begins_no_more_rounds_and_leaves_the_rest_to_the_next(
    stage: Stage,
) -> None:
    customers = [stage.haravan.create(total_spent=1) for _ in range(120)]
    stage.haravan.on_call("GET customers", lambda: stage.clock.advance(2), times=None)
    await stage.mark(*customers)

    left = []
    for _ in range(3):
        await stage.turn()
        left.append(await stage.redis.zcard(stage.key("ready:bulk")))

    assert left == [70, 20, 0]


async def test_the_last_echo_of_a_swap_costs_nothing(redis: ArqRedis) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="Silver")
        await stage.announce(customer)
        await stage.turn(2)

        echo = await stage.announce(customer)

        assert echo.outcome == "echo"


async def test_a_flood_of_live_work_leaves_bulk_its_share(stage: Stage) -> None:
    live = [stage.haravan.create(total_spent=12_000_000) for _ in range(150)]
    bulk = [stage.haravan.create(total_spent=12_000_000) for _ in range(10)]
    await stage.mark(*bulk)
    for each in live:
        await stage.announce(each)

    await stage.turn(8, rest_s=2)

    assert any(stage.haravan.tags(each) == {"VIP"} for each in bulk)
    assert any(stage.haravan.tags(each) == set() for each in live)


async def test_a_refused_token_costs_one_probe_in_five_minutes_and_a_new_one_resumes(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(3)]
    good = stage.haravan.token
    stage.haravan.replace_token("another")
    await stage.mark(*customers)
    await stage.turn(30, rest_s=20)

    assert await stage.state("paused")
    assert all([await stage.is_marked(each) for each in customers]) is True

    stage.haravan.replace_token(good)
    await stage.turn(20, rest_s=20)

    assert all(stage.haravan.tags(each) == {"VIP"} for each in customers)
    assert [await stage.letters(each) for each in customers] == [set()] * 3


async def test_a_429_makes_the_whole_shop_wait_as_long_as_it_says_and_is_nobodys_fault(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(5)]
    stage.haravan.faults.throttle(30.0)
    await stage.mark(*customers)

    await stage.turn(10, rest_s=2)
    during = stage.haravan.calls.count()
    await stage.turn(10, rest_s=5)

    assert during == 1
    assert all(stage.haravan.tags(each) == {"VIP"} for each in customers)


async def test_when_too_much_would_be_removed_the_removals_stop_and_additions_go_on(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(70)]
    await stage.mark(*customers)
    await _until_done(stage, "bulk", most=60)
    stage.haravan.faults.null_fields = frozenset({"total_spent"})
    await stage.mark(*customers, cause="audit")
    await stage.turn(40)
    kept = sum(stage.haravan.tags(each) == {"VIP"} for each in customers)

    stage.haravan.faults.clear()
    added = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(added)
    await stage.turn(3)

    await stage.drain.alerts.drain()
    assert kept == 20
    assert await stage.state("removals_paused") == "removal_guard"
    assert stage.haravan.tags(added) == {"VIP"}
    assert await stage.redis.exists(stage.key("alert_sent:removal_guard_tripped"))


async def _until_done(stage: Stage, lane: str, *, most: int) -> None:
    names = [stage.key(each) for each in (f"ready:{lane}", f"planned:{lane}", "delayed")]
    for _ in range(most):
        if not await stage.redis.exists(*names):
            return
        await stage.turn(rest_s=2)
    raise AssertionError("there is still work")
