"""One drain: what it writes for marked customers, and which API calls it costs."""

from __future__ import annotations

from service.store.client import RedisClient, keys
from tests.workers.stage import ORG, TIERS, Stage, drain_all, staged


async def test_a_customer_gets_the_tag_above_the_threshold_and_loses_it_below(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn()
    assert stage.haravan.tags(customer) == {"VIP"}

    stage.haravan.edit(customer, total_spent=9_999_999)
    await stage.announce(customer)
    await stage.turn()

    assert stage.haravan.tags(customer) == set()
    assert await stage.ledger(customer) == ["+VIP", "-VIP"]
    assert not await stage.is_marked(customer)


async def test_a_tag_that_a_person_added_is_never_removed(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=5, tags="VIP,Khách sỉ")
    await stage.announce(customer)

    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP", "Khách sỉ"}
    assert stage.wrote() == 0


async def test_a_tag_that_a_person_removed_comes_back_while_the_rule_matches(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn()

    # The record is again what the drain read before its write, but this is no echo.
    stage.haravan.untag_by_hand(customer, "VIP")
    result = await stage.announce(customer)
    await stage.turn(2)

    assert result.outcome == "marked"
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_draining_twice_writes_nothing_twice(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.mark(customer)
    await stage.turn(2)

    await stage.mark(customer)
    await stage.turn(2)

    assert stage.wrote() == 1


async def test_the_admin_dialect_writes_the_whole_tag_string_in_one_put(redis: RedisClient) -> None:
    async with staged(redis, dialect="admin") as stage:
        customer = stage.haravan.create(total_spent=12_000_000, tags="Khách sỉ")
        await stage.announce(customer)

        await stage.turn(2)

        assert stage.haravan.tags(customer) == {"Khách sỉ", "VIP"}
        assert stage.haravan.calls.count("PUT customer") == 1


async def test_in_shadow_mode_the_decision_is_in_the_ledger_and_nothing_is_written(
    redis: RedisClient,
) -> None:
    async with staged(redis, shadow=True) as stage:
        customer = stage.haravan.create(total_spent=12_000_000)
        await stage.announce(customer)

        await stage.turn(2)

        assert stage.wrote() == 0
        assert await stage.ledger(customer) == ["+VIP"]
        assert await stage.owned(customer) == {}


async def test_without_rules_nothing_is_written_and_the_snapshot_is_stored(redis: RedisClient) -> None:
    async with staged(redis, rules="") as stage:
        customer = stage.haravan.create(total_spent=12_000_000, tags="VIP")
        await stage.announce(customer)

        await stage.turn()

        assert stage.wrote() == 0
        assert await stage.redis.hexists(stage.key("snapshots"), str(customer))


async def test_an_unknown_shop_is_not_woken_until_it_is_added(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    shop = await stage.shops.get_or_raise(ORG)
    await stage.shops.remove(ORG, erase=False)
    await stage.announce(customer)
    jobs = await stage.redis.queue.zcard("tagger:queue:drain")

    await stage.turn()

    assert await stage.redis.queue.zcard("tagger:queue:drain") == jobs
    assert await stage.sweep.wake_due_shops() == 0
    assert not await stage.redis.exists(keys.partition_key(ORG, "due_shops"))

    await stage.shops.add(shop)

    assert await stage.sweep.wake_due_shops() == 1
    await stage.turn()
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_fifty_customers_cost_one_read_and_one_write_for_each_changed_customer(stage: Stage) -> None:
    changed = [stage.haravan.create(total_spent=20_000_000) for _ in range(5)]
    unchanged = [stage.haravan.create(total_spent=1) for _ in range(45)]
    await stage.mark(*changed, *unchanged)

    await stage.turn(2)

    assert stage.haravan.calls.by_endpoint() == {"GET customers": 1, "POST tags": 5}
    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in changed)
    assert await stage.redis.zcard(stage.key("ready:bulk")) == 0


async def test_twenty_additions_cost_twenty_one_calls(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(20)]
    for customer in customers:
        await stage.announce(customer)

    await stage.turn(4)

    assert stage.haravan.calls.by_endpoint() == {"GET customers": 1, "POST tags": 20}


async def test_many_additions_cost_at_most_1_05_calls_each(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(400)]
    await stage.mark(*customers)

    await drain_all(stage, "bulk", max_drains=150)

    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)
    assert stage.haravan.calls.count() <= 1.05 * len(customers)
    assert stage.haravan.calls.count(status=429) == 0


async def test_unchanged_customers_cost_a_fiftieth_of_a_call_each_and_their_echoes_none(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=1) for _ in range(200)]
    for customer in customers:
        await stage.announce(customer)
    await stage.turn(3)
    calls = stage.haravan.calls.count()

    for customer in customers:
        await stage.announce(customer)
    await stage.turn(3)

    assert calls <= 0.03 * len(customers)
    assert stage.haravan.calls.count() == calls


async def test_the_echo_of_our_write_costs_no_call(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn()
    calls = stage.haravan.calls.count()

    echo = await stage.announce(customer)
    await stage.turn()

    assert echo.outcome == "echo"
    assert stage.haravan.calls.count() == calls


async def test_the_last_echo_of_a_swap_costs_no_call(redis: RedisClient) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="Silver")
        await stage.announce(customer)
        await stage.turn(2)

        echo = await stage.announce(customer)

        assert echo.outcome == "echo"


async def test_a_drain_beyond_its_time_budget_starts_no_other_round(
    stage: Stage,
) -> None:
    customers = [stage.haravan.create(total_spent=1) for _ in range(120)]
    stage.haravan.on_call("GET customers", lambda: stage.clock.advance(2), times=None)
    await stage.mark(*customers)

    remaining = []
    for _ in range(3):
        await stage.turn()
        remaining.append(await stage.redis.zcard(stage.key("ready:bulk")))

    assert remaining == [70, 20, 0]


async def test_many_live_customers_leave_a_share_to_the_bulk_lane(stage: Stage) -> None:
    live = [stage.haravan.create(total_spent=12_000_000) for _ in range(150)]
    bulk = [stage.haravan.create(total_spent=12_000_000) for _ in range(10)]
    await stage.mark(*bulk)
    for customer in live:
        await stage.announce(customer)

    await stage.turn(8, rest_s=2)

    assert any(stage.haravan.tags(customer) == {"VIP"} for customer in bulk)
    assert any(stage.haravan.tags(customer) == set() for customer in live)
