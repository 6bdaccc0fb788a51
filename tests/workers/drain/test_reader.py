"""Reading: records without a field, odd tag strings, and deletions that a second 404 must confirm."""

from __future__ import annotations

import pytest

from service.store.client import RedisClient
from tests.workers.stage import Stage, staged

TWO_FIELDS = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: loyal, tag: Fan, when: {field: orders_count, op: at_least, value: 3}}
"""


async def test_a_rule_decides_nothing_while_the_record_lacks_its_field_and_other_rules_go_on(
    redis: RedisClient,
) -> None:
    async with staged(redis, rules=TWO_FIELDS) as stage:
        customer = stage.haravan.create(total_spent=12_000_000, orders_count=0)
        await stage.announce(customer)
        await stage.turn(2)
        stage.haravan.faults.missing_fields = frozenset({"total_spent"})
        stage.haravan.edit(customer, total_spent=1, orders_count=5)
        await stage.announce(customer)
        await stage.turn(2)
        assert stage.haravan.tags(customer) == {"VIP", "Fan"}
        assert await stage.letters(customer) == set()

        stage.haravan.faults.clear()
        await stage.mark(customer)
        await stage.turn(2)

        assert stage.haravan.tags(customer) == {"Fan"}


async def test_a_record_without_the_key_tags_is_a_dead_letter_which_is_retried_after_a_day(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000, tags="VIP")
    stage.haravan.faults.missing_fields = frozenset({"tags"})
    await stage.announce(customer)

    await stage.turn(2)

    assert stage.wrote() == 0
    assert await stage.letters(customer) == {"missing"}
    stage.haravan.faults.clear()
    stage.clock.advance(25 * 3600)
    await stage.housekeeping.run()
    await stage.turn(2)
    assert await stage.letters(customer) == set()


@pytest.mark.parametrize("before", [None, "", " , ", " VIP ,Khách sỉ", ",".join(f"t{i}" for i in range(200))])
async def test_every_form_of_the_tag_string_is_read_as_a_set(stage: Stage, before: str | None) -> None:
    customer = stage.haravan.create(total_spent=12_000_000, tags=before)
    await stage.announce(customer)

    await stage.turn(3)

    assert "VIP" in {tag.strip() for tag in stage.haravan.tags(customer)}
    assert stage.wrote() == (0 if before and "VIP" in before else 1)
    assert not await stage.is_marked(customer)


async def test_a_tag_in_decomposed_characters_is_the_same_tag(redis: RedisClient) -> None:
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


async def test_a_deletion_is_believed_at_the_second_404_and_leaves_a_tombstone(stage: Stage) -> None:
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


async def test_a_single_404_changes_nothing(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.faults.fail(404, endpoint="GET customer")
    await stage.mark(customer)

    await stage.turn(3, rest_s=601)

    assert not await stage.is_marked(customer)
    assert set(await stage.owned(customer)) == {"vip"}


async def test_a_customer_that_exists_again_gets_its_ownership_back_once(stage: Stage) -> None:
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


async def test_a_customer_that_was_deleted_before_its_first_read_loses_its_mark(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.delete(customer)
    await stage.deliver(b'{"id":%d}' % customer, "customers/delete")

    await stage.turn(3, rest_s=601)

    assert not await stage.is_marked(customer)
    assert await stage.letters(customer) == set()


async def test_deletions_that_webhooks_report_do_not_pause_the_shop(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(10)]
    await stage.mark(*customers)
    await stage.turn(2)
    await stage.delete_and_announce(*customers)

    await stage.turn(2, rest_s=300)
    await stage.turn(2, rest_s=301)

    assert await stage.state("paused") == ""
    assert [
        customer for customer in customers if await stage.is_marked(customer) or await stage.owned(customer)
    ] == []
