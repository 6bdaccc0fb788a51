"""Reads that go wrong: outages, poison, lists that are not true, customers that are gone, records that lack a field."""

from __future__ import annotations

import json

import pytest
from arq.connections import ArqRedis

from service.store.client import keys
from tests.workers.stage import ORG, Stage, staged


async def test_an_outage_of_hours_buries_nobody_and_costs_few_calls(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(3)]
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    await stage.mark(*customers)
    await stage.turn(100, rest_s=120)
    tried = stage.haravan.calls.count()

    stage.haravan.faults.clear()
    await stage.turn(30, rest_s=60)

    assert tried < 120
    assert all(stage.haravan.tags(each) == {"VIP"} for each in customers)
    assert [await stage.letters(each) for each in customers] == [set()] * 3


async def test_while_reads_rest_the_shop_is_not_rung_for_at_once(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(502, endpoint="GET *", rate=1)
    await stage.mark(customer)
    await stage.turn(9, rest_s=300)
    stage.clock.advance(-290)
    await stage.drain(ORG)

    due_s = await stage.redis.zscore(keys.partition_key(ORG, "due_shops"), ORG) / 1000 - stage.clock()

    assert due_s > 60


async def test_a_poison_record_is_found_and_its_neighbours_are_served(stage: Stage) -> None:
    poison, *well = [stage.haravan.create(total_spent=12_000_000) for _ in range(20)]
    stage.haravan.faults.fail(500, endpoint="GET *", customer=poison, rate=1)
    await stage.mark(poison, *well)

    await stage.turn(40, rest_s=300)

    assert all(stage.haravan.tags(each) == {"VIP"} for each in well)
    assert [await stage.letters(each) for each in well] == [set()] * 19
    assert await stage.letters(poison) == {"unavailable"}
    assert not await stage.is_marked(poison)


async def test_a_customer_whose_id_spoils_the_list_with_a_4xx_takes_no_neighbour_along(stage: Stage) -> None:
    poison, *well = [stage.haravan.create(total_spent=12_000_000) for _ in range(50)]
    stage.haravan.faults.fail(400, endpoint="GET *", customer=poison, rate=1)
    await stage.mark(poison, *well)

    await stage.turn(40, rest_s=100)

    assert [await stage.letters(each) for each in well] == [set()] * 49
    assert await stage.letters(poison) == {"rejected"}


async def test_a_record_that_lacks_what_a_rule_reads_is_never_taken_for_empty_and_tried_again_tomorrow(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.faults.missing_fields = frozenset({"total_spent"})
    await stage.mark(customer)
    await stage.turn(2)
    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.letters(customer) == {"missing"}

    stage.haravan.faults.clear()
    stage.clock.advance(25 * 3600)
    await stage.housekeeping.run()
    await stage.turn(2)

    assert await stage.letters(customer) == set()


async def test_a_record_without_the_key_tags_is_not_one_without_tags(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000, tags="VIP")
    stage.haravan.faults.missing_fields = frozenset({"tags"})
    await stage.announce(customer)

    await stage.turn(2)

    assert stage.wrote() == 0
    assert await stage.letters(customer) == {"missing"}


@pytest.mark.parametrize("mode", ["ignored", "omit", "extra", "reorder"])
async def test_a_list_that_does_not_answer_what_was_asked_spoils_nothing(stage: Stage, mode: str) -> None:
    stage.haravan.populate(60)
    rich = [stage.haravan.create(total_spent=12_000_000) for _ in range(4)]
    poor = [stage.haravan.create(total_spent=1) for _ in range(4)]
    stage.haravan.faults.ids_mode = mode  # type: ignore[assignment]
    await stage.mark(*rich, *poor)

    await stage.turn(4)

    assert [stage.haravan.tags(each) for each in (*rich, *poor)] == [{"VIP"}] * 4 + [set()] * 4
    assert [each for each in (*rich, *poor) if await stage.is_marked(each)] == []
    assert bool(await stage.state("single_reads_until")) == (mode in ("ignored", "extra"))


async def test_a_deletion_is_believed_the_second_time_and_leaves_a_tombstone(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.delete(customer)
    await stage.mark(customer)

    await stage.turn(2, rest_s=300)
    assert await stage.owned(customer)
    await stage.turn(2, rest_s=301)

    assert not await stage.is_marked(customer)
    assert not await stage.owned(customer)
    assert not await stage.redis.hexists(stage.key("snapshots"), str(customer))
    assert await stage.redis.ttl(stage.key(f"tombstone:{customer}")) > 29 * 86_400


async def test_a_404_that_was_wrong_changes_nothing(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.faults.fail(404, endpoint="GET customer")
    await stage.mark(customer)

    await stage.turn(3, rest_s=601)

    assert not await stage.is_marked(customer)
    assert set(await stage.owned(customer)) == {"vip"}


async def test_a_customer_back_from_the_dead_brings_its_tags_of_ours_once_and_not_again(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.faults.fail(404, endpoint="GET customer", customer=customer, rate=1)
    await stage.mark(customer)
    await stage.turn(3, rest_s=601)
    stage.haravan.faults.clear()
    stage.haravan.edit(customer, total_spent=1)
    await stage.mark(customer)
    await stage.turn(3)
    assert stage.haravan.tags(customer) == set()

    stage.haravan.tag_by_hand(customer, "VIP")
    await stage.announce(customer)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_deleted_before_it_was_ever_seen(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.delete(customer)
    await stage.deliver(b'{"id":%d}' % customer, "customers/delete")

    await stage.turn(3, rest_s=601)

    assert not await stage.is_marked(customer)
    assert await stage.letters(customer) == set()


async def test_many_404s_at_once_pause_the_shop_and_purge_nobody(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(10)]
    await stage.mark(*customers)
    await stage.turn(2)
    for each in customers:
        stage.haravan.faults.fail(404, endpoint="GET customer", customer=each, rate=1)
    stage.haravan.faults.ids_mode = "omit"
    for each in customers[5:]:
        stage.haravan.delete(each)
    await stage.mark(*customers)

    await stage.turn(3, rest_s=700)

    assert await stage.state("paused") == "mass_404"
    assert [each for each in customers if not await stage.owned(each)] == []
    assert [each for each in customers[5:] if not await stage.is_marked(each)] == []


async def _delete_and_announce(stage: Stage, customers: list[int]) -> None:
    for each in customers:
        stage.haravan.delete(each)
        await stage.deliver(b'{"id":%d}' % each, topic="customers/delete")


async def test_deletions_that_webhooks_announced_do_not_pause_the_shop(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(10)]
    await stage.mark(*customers)
    await stage.turn(2)
    await _delete_and_announce(stage, customers)

    await stage.turn(2, rest_s=300)
    await stage.turn(2, rest_s=301)

    assert await stage.state("paused") == ""
    assert [each for each in customers if await stage.is_marked(each) or await stage.owned(each)] == []


async def test_announced_deletions_do_not_hide_404s_that_nobody_announced(stage: Stage) -> None:
    announced = [stage.haravan.create(total_spent=1) for _ in range(30)]
    others = [stage.haravan.create(total_spent=1) for _ in range(6)]
    await _delete_and_announce(stage, announced)
    for each in others:
        stage.haravan.delete(each)
    await stage.mark(*others)

    await stage.turn()

    assert await stage.state("paused") == "mass_404"


async def test_a_list_that_lags_is_not_decided_on(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=1) for _ in range(3)]
    stage.clock.advance(100)
    stage.haravan.faults.lag_s = 50
    for each in customers:
        stage.haravan.edit(each, total_spent=12_000_000)
        await stage.announce(each)

    await stage.turn(2)

    assert all(stage.haravan.tags(each) == {"VIP"} for each in customers)


async def test_a_record_that_stays_behind_its_webhook_is_decided_on_after_a_while_and_looked_at_again(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    record = stage.haravan.customer(customer)
    await stage.deliver(json.dumps({**record, "updated_at": "2099-12-31T00:00:00Z"}).encode())

    await stage.turn(5, rest_s=0)
    assert stage.haravan.calls.count("GET customer") == 1
    await stage.turn(8, rest_s=20)
    assert stage.haravan.tags(customer) == {"VIP"}
    assert stage.haravan.calls.count("GET customer") == 4
    await stage.turn(2, rest_s=700)

    assert stage.haravan.calls.count("GET customer") == 5
    assert not await stage.is_marked(customer)


async def test_an_html_page_on_502_is_a_retry_and_not_an_end(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(502, html=True, next=2)
    stage.haravan.faults.fail(200, body="<html>Bảo trì</html>", next=1)
    await stage.announce(customer)

    await stage.turn(8, rest_s=60)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.letters(customer) == set()


@pytest.mark.parametrize("before", [None, "", " , ", " VIP ,Khách sỉ", ",".join(f"t{i}" for i in range(200))])
async def test_odd_tag_strings_are_read_as_sets(stage: Stage, before: str | None) -> None:
    customer = stage.haravan.create(total_spent=12_000_000, tags=before)
    await stage.announce(customer)

    await stage.turn(3)

    assert "VIP" in {tag.strip() for tag in stage.haravan.tags(customer)}
    assert stage.wrote() == (0 if before and "VIP" in before else 1)
    assert not await stage.is_marked(customer)


async def test_a_tag_in_decomposed_characters_is_the_same_tag(redis: ArqRedis) -> None:
    rules = """
version: 1
rules:
  - {id: si, tag: Khách sỉ, when: {field: total_spent, op: at_least, value: 10}}
"""
    async with staged(redis, rules=rules) as stage:
        customer = stage.haravan.create(total_spent=12, tags="Kha\u0301ch si\u0309")
        await stage.announce(customer)

        await stage.turn(2)

        assert stage.wrote() == 0
