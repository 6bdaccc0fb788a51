"""Failures that concern the whole shop: its customers wait and lose no attempt."""

from __future__ import annotations

from service.store.client import keys
from tests.workers.stage import ORG, Stage


async def test_an_outage_of_reads_for_hours_costs_few_calls_and_makes_no_dead_letter(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(3)]
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    await stage.mark(*customers)
    await stage.turn(100, rest_s=120)
    calls_during_outage = stage.haravan.calls.count()

    stage.haravan.faults.clear()
    await stage.turn(30, rest_s=60)

    assert calls_during_outage < 120
    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)
    assert [await stage.letters(customer) for customer in customers] == [set()] * 3


async def test_while_the_read_breaker_is_open_the_shop_is_due_only_when_it_closes(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    await stage.mark(customer)
    await stage.turn(9, rest_s=300)
    stage.clock.advance(-290)
    await stage.drain(ORG)

    due_s = await stage.redis.zscore(keys.partition_key(ORG, "due_shops"), ORG) / 1000 - stage.clock()

    assert due_s > 60


async def test_an_outage_of_writes_for_hours_makes_no_dead_letter(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(12)]
    stage.haravan.faults.fail(503, endpoint="POST tags", rate=1)
    await stage.mark(*customers)
    await stage.turn(120, rest_s=120)
    calls_during_outage = stage.haravan.calls.count("POST tags")

    stage.haravan.faults.clear()
    await stage.turn(40, rest_s=60)

    assert calls_during_outage <= 12 * 8 + 120
    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)
    assert [await stage.letters(customer) for customer in customers] == [set()] * 12


async def test_a_429_makes_the_whole_shop_wait_as_long_as_it_says(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(5)]
    stage.haravan.faults.throttle(30.0)
    await stage.mark(*customers)

    await stage.turn(10, rest_s=2)
    during = stage.haravan.calls.count()
    await stage.turn(10, rest_s=5)

    assert during == 1
    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)


async def test_the_same_rejection_of_five_customers_makes_the_shop_wait_and_no_dead_letter(
    stage: Stage,
) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    stage.haravan.faults.fail(422, endpoint="POST tags", rate=1)
    await stage.mark(*customers)

    await stage.turn(20, rest_s=10)
    writes_until_wait = stage.haravan.calls.count("POST tags")
    stage.haravan.faults.clear()
    await stage.turn(60, rest_s=20)

    assert writes_until_wait <= 12
    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)
    assert [await stage.letters(customer) for customer in customers] == [set()] * 6


async def test_two_rejected_customers_do_not_make_the_shop_wait(stage: Stage) -> None:
    rejected = [stage.haravan.create(total_spent=12_000_000) for _ in range(2)]
    for customer in rejected:
        stage.haravan.faults.fail(422, endpoint="POST tags", customer=customer, rate=1)
    await stage.mark(*rejected)
    await stage.turn(8, rest_s=60)
    healthy = stage.haravan.create(total_spent=12_000_000)

    await stage.announce(healthy)
    await stage.turn(2)

    assert stage.haravan.tags(healthy) == {"VIP"}
    assert [await stage.letters(customer) for customer in rejected] == [{"rejected"}, {"rejected"}]


async def test_a_customer_whose_writes_always_fail_does_not_delay_others(stage: Stage) -> None:
    broken = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(500, endpoint="POST tags", customer=broken, rate=1)
    await stage.announce(broken)
    await stage.turn(7, rest_s=600)
    healthy = stage.haravan.create(total_spent=12_000_000)

    await stage.announce(healthy)
    await stage.turn(2)

    assert stage.haravan.tags(healthy) == {"VIP"}
