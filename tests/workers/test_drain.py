"""What a drain makes of marks: the record is fetched, the difference is written, the mark is gone."""

from __future__ import annotations

import pytest
from arq.connections import ArqRedis

from service.store.client import keys
from tests.workers.stage import ORG, Stage, staged


async def test_a_customer_over_the_threshold_gets_the_tag_and_below_it_loses_it_again(stage: Stage) -> None:
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


async def test_fifty_customers_cost_one_read_and_a_write_for_each_that_changes(stage: Stage) -> None:
    rich = [stage.haravan.create(total_spent=20_000_000) for _ in range(5)]
    poor = [stage.haravan.create(total_spent=1) for _ in range(45)]
    await stage.mark(*rich, *poor)

    await stage.turn(2)

    assert stage.haravan.calls.by_endpoint() == {"GET customers": 1, "POST tags": 5}
    assert all(stage.haravan.tags(each) == {"VIP"} for each in rich)
    assert await stage.redis.zcard(stage.key("ready:bulk")) == 0


async def test_a_tag_that_a_person_put_on_is_never_taken_off(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=5, tags="VIP,Khách sỉ")
    await stage.announce(customer)

    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP", "Khách sỉ"}
    assert stage.wrote() == 0


async def test_draining_twice_writes_nothing_twice(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.mark(customer)
    await stage.turn(2)

    await stage.mark(customer)
    await stage.turn(2)

    assert stage.wrote() == 1


async def test_the_echo_of_our_own_write_costs_no_call(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn()
    calls = stage.haravan.calls.count()

    echo = await stage.announce(customer)
    await stage.turn()

    assert echo.outcome == "echo"
    assert stage.haravan.calls.count() == calls


async def test_an_admin_shop_gets_the_whole_tag_string_in_one_put(redis: ArqRedis) -> None:
    async with staged(redis, dialect="admin") as stage:
        customer = stage.haravan.create(total_spent=12_000_000, tags="Khách sỉ")
        await stage.announce(customer)

        await stage.turn(2)

        assert stage.haravan.tags(customer) == {"Khách sỉ", "VIP"}
        assert stage.haravan.calls.count("PUT customer") == 1


async def test_a_swap_adds_first_and_removes_the_spelling_that_the_record_has(redis: ArqRedis) -> None:
    tiers = """
version: 1
tiers:
  - id: hang
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
    async with staged(redis, rules=tiers) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="SILVER")
        await stage.announce(customer)

        await stage.turn(2)

        assert stage.haravan.tags(customer) == {"Gold"}
        writes = [call for call in stage.haravan.calls.last if call.method != "GET"]
        assert [(call.method, call.body) for call in writes] == [
            ("POST", b'{"tags":"Gold"}'),
            ("DELETE", b'{"tags":"SILVER"}'),
        ]


async def test_in_shadow_mode_the_decision_is_recorded_and_nothing_is_written(redis: ArqRedis) -> None:
    async with staged(redis, shadow=True) as stage:
        customer = stage.haravan.create(total_spent=12_000_000)
        await stage.announce(customer)

        await stage.turn(2)

        assert stage.wrote() == 0
        assert await stage.ledger(customer) == ["+VIP"]
        assert await stage.owned(customer) == {}


@pytest.mark.parametrize("rules", [""], ids=["no rules published"])
async def test_without_rules_nothing_is_touched_and_the_snapshot_is_kept(redis: ArqRedis, rules: str) -> None:
    async with staged(redis, rules=rules) as stage:
        customer = stage.haravan.create(total_spent=12_000_000, tags="VIP")
        await stage.announce(customer)

        await stage.turn()

        assert stage.wrote() == 0
        assert await stage.redis.hexists(stage.key("snapshots"), str(customer))


async def test_a_tag_of_ours_that_a_person_takes_off_comes_back_while_the_rule_matches(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn()

    stage.haravan.untag_by_hand(
        customer, "VIP"
    )  # now the record is what the drain had fetched before its write
    told = await stage.announce(customer)
    await stage.turn(2)

    assert told.outcome == "marked"
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_shop_that_is_not_here_is_not_woken_again_until_it_is_added(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    shop = await stage.shops.get_or_raise(ORG)
    await stage.shops.remove(ORG, erase=False)
    await stage.announce(customer)
    jobs = await stage.redis.zcard("tagger:queue:drain")

    await stage.turn()

    assert await stage.redis.zcard("tagger:queue:drain") == jobs
    assert await stage.sweep.wake_due_shops() == 0
    assert not await stage.redis.exists(keys.partition_key(ORG, "due_shops"))

    await stage.shops.add(shop)

    assert await stage.sweep.wake_due_shops() == 1
    await stage.turn()
    assert stage.haravan.tags(customer) == {"VIP"}
