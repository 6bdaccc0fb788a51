"""Writes that go wrong: the answer lost, untrue or refused, the swap cut in two, the tag undone again and again."""

from __future__ import annotations

import pytest
from arq.connections import ArqRedis

from tests.workers.stage import Stage, staged

TIERS = """
version: 1
tiers:
  - id: hang
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""


async def test_an_addition_whose_answer_was_lost_is_ours_and_is_not_sent_again(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.lose_answer(endpoint="POST tags")
    await stage.announce(customer)

    await stage.turn(4, rest_s=5)
    await _when_nothing_can_land_any_more(stage)

    assert stage.haravan.calls.count("POST tags") == 1
    assert set(await stage.owned(customer)) == {"vip"}
    assert await stage.ledger(customer) == ["+VIP"]
    assert not await stage.is_marked(customer)


async def test_a_removal_whose_answer_was_lost_is_in_the_ledger_and_is_nobodys_doing_but_ours(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=1)
    stage.haravan.faults.lose_answer(endpoint="DELETE tags")
    await stage.announce(customer)

    await stage.turn(4, rest_s=5)
    await _when_nothing_can_land_any_more(stage)

    assert stage.haravan.calls.count("DELETE tags") == 1
    assert await stage.ledger(customer) == ["+VIP", "-VIP"]
    assert await stage.redis.xlen(stage.key("drift")) == 0
    assert await stage.owned(customer) == {}
    assert not await stage.is_marked(customer)


async def test_a_write_that_lands_minutes_later_is_found_and_taken_back(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(503, endpoint="POST tags")
    await stage.announce(customer)
    await stage.turn()
    stage.haravan.edit(customer, total_spent=1)
    await stage.announce(customer)
    await stage.turn(3)
    stage.haravan.tag_by_hand(customer, "VIP")  # the slow write lands now, and no webhook says so

    stage.clock.advance(600)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == set()
    assert await stage.ledger(customer) == ["+VIP", "-VIP"]
    assert not await stage.is_marked(customer)


async def test_a_person_who_takes_our_tag_off_at_once_is_noticed(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.untag_by_hand(customer, "VIP")  # the body is the very one that led to our write

    told = await stage.announce(customer)
    await stage.turn(2)

    assert told.outcome == "marked"
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_tag_undone_three_times_within_a_day_is_given_up_with_a_letter_and_returns_after_the_day(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    for _ in range(5):
        if "VIP" in stage.haravan.tags(customer):
            stage.haravan.untag_by_hand(customer, "VIP")
        await stage.announce(customer)
        await stage.turn(3)

    assert stage.haravan.calls.count("POST tags") == 3
    assert await stage.letters(customer) == {"undone:VIP"}
    assert not await stage.is_marked(customer)

    stage.clock.advance(25 * 3600)
    await stage.mark(customer)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.letters(customer) == set()


async def test_a_tag_that_haravan_stores_otherwise_is_given_up_after_the_third_time(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(200, body='{"tags":"V.I.P"}', endpoint="POST tags", rate=1)
    await stage.announce(customer)

    await stage.turn(20)

    assert stage.haravan.calls.count("POST tags") == 3
    assert await stage.letters(customer) == {"undone:VIP"}

    stage.clock.advance(600)  # a slow write might have landed until now
    await stage.turn(2)

    assert stage.haravan.calls.count("POST tags") == 3
    assert not await stage.is_marked(customer)


async def test_an_untrue_answer_is_looked_up_and_the_tag_is_not_written_twice(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.disagree(endpoint="POST tags")
    await stage.announce(customer)

    await stage.turn(3)
    await _when_nothing_can_land_any_more(stage)

    assert stage.haravan.calls.count("POST tags") == 1
    assert set(await stage.owned(customer)) == {"vip"}
    assert await stage.ledger(customer) == ["+VIP"]
    assert not await stage.is_marked(customer)


async def test_a_swap_without_room_for_its_second_half_does_not_send_the_first_again(redis: ArqRedis) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="Silver")
        stage.haravan.on_call("POST tags", lambda: _fill(stage))
        await stage.announce(customer)

        await stage.turn(12)

        assert stage.haravan.tags(customer) == {"Gold"}
        assert stage.haravan.calls.count("POST tags") == 1
        assert await stage.ledger(customer) == ["+Gold", "-Silver"]
        assert stage.haravan.calls.count(status=429) == 0


async def test_a_429_between_the_halves_of_a_swap_does_not_send_the_first_again(redis: ArqRedis) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="Silver")
        stage.haravan.faults.throttle(4.0, endpoint="DELETE tags")
        await stage.announce(customer)

        await stage.turn(8)

        assert stage.haravan.tags(customer) == {"Gold"}
        assert stage.haravan.calls.count("POST tags") == 1
        assert await stage.field(customer, "attempts") is None


async def test_a_write_in_flight_while_another_read_clears_its_customer_is_looked_at_again(
    stage: Stage,
) -> None:
    """The event comes between permit and socket, and a read sees the record from before the write lands."""
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.on_call("GET customer", lambda: _fill(stage))  # so that the plan waits for room
    await stage.announce(customer)
    await stage.turn(rest_s=12)
    assert await stage.field(customer, "state") == "planned"

    async def before_the_write_lands() -> None:
        stage.haravan.edit(customer, total_spent=1)
        await stage.announce(customer)
        await _read_and_cleared(stage, customer)

    stage.haravan.on_call("POST tags", before_the_write_lands, when="before")
    await stage.turn(5)
    await _when_nothing_can_land_any_more(stage)

    assert stage.haravan.calls.count("POST tags") == 1
    assert stage.haravan.tags(customer) == set()
    assert not await stage.is_marked(customer)


async def _read_and_cleared(stage: Stage, customer: int) -> None:
    """What a read does that sees the record as it is: nothing is to be written, so the mark that it found goes."""
    async with stage.redis.pipeline(transaction=True) as pipe:
        pipe.delete(stage.key(f"mark:{customer}"))
        for place in ("ready:live", "delayed", "planned:live"):
            pipe.zrem(stage.key(place), customer)
        await pipe.execute()


async def test_a_plan_that_another_release_made_is_made_anew_and_the_others_are_carried_out(
    stage: Stage,
) -> None:
    odd, well = (stage.haravan.create(total_spent=12_000_000) for _ in range(2))
    stage.haravan.on_call("GET customers", lambda: _fill(stage))  # so that both plans wait for room
    await stage.mark(odd, well)
    await stage.turn(rest_s=12)
    assert [await stage.field(each, "state") for each in (odd, well)] == ["planned", "planned"]
    await stage.redis.hset(stage.key(f"mark:{odd}"), mapping={"plan": b"\xc1"})

    await stage.turn(2)

    assert [stage.haravan.tags(each) for each in (odd, well)] == [{"VIP"}, {"VIP"}]
    assert stage.haravan.calls.by_endpoint() == {"GET customers": 1, "GET customer": 1, "POST tags": 2}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_eight_failures_are_a_dead_letter_that_a_later_success_closes(
    stage: Stage, status: int
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(status, endpoint="POST tags", customer=customer, rate=1)
    await stage.announce(customer)

    await stage.turn(12, rest_s=4000)

    assert stage.haravan.calls.count("POST tags") == 8
    assert await stage.letters(customer) == {"unavailable"}
    assert not await stage.is_marked(customer)

    stage.haravan.faults.clear()
    await stage.announce(customer)
    await stage.turn(2)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.letters(customer) == set()


async def test_a_refusal_is_tried_twice_more_and_then_buried(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(422, endpoint="POST tags", customer=customer, rate=1)
    await stage.announce(customer)

    await stage.turn(8, rest_s=60)

    assert stage.haravan.calls.count("POST tags") == 3
    assert await stage.letters(customer) == {"rejected"}
    assert not await stage.is_marked(customer)


async def test_two_refused_customers_do_not_make_the_shop_wait(stage: Stage) -> None:
    refused = [stage.haravan.create(total_spent=12_000_000) for _ in range(2)]
    for each in refused:
        stage.haravan.faults.fail(422, endpoint="POST tags", customer=each, rate=1)
    await stage.mark(*refused)
    await stage.turn(8, rest_s=60)
    well = stage.haravan.create(total_spent=12_000_000)

    await stage.announce(well)
    await stage.turn(2)

    assert stage.haravan.tags(well) == {"VIP"}
    assert [await stage.letters(each) for each in refused] == [{"rejected"}, {"rejected"}]


async def test_the_same_refusal_for_five_customers_makes_the_shop_wait_and_buries_nobody(
    stage: Stage,
) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    stage.haravan.faults.fail(422, endpoint="POST tags", rate=1)
    await stage.mark(*customers)

    await stage.turn(20, rest_s=10)
    asked = stage.haravan.calls.count("POST tags")
    stage.haravan.faults.clear()
    await stage.turn(60, rest_s=20)

    assert asked <= 12
    assert all(stage.haravan.tags(each) == {"VIP"} for each in customers)
    assert [await stage.letters(each) for each in customers] == [set()] * 6


async def test_one_customer_that_always_fails_does_not_hold_up_the_others(stage: Stage) -> None:
    poison = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(500, endpoint="POST tags", customer=poison, rate=1)
    await stage.announce(poison)
    await stage.turn(7, rest_s=600)
    well = stage.haravan.create(total_spent=12_000_000)

    await stage.announce(well)
    await stage.turn(2)

    assert stage.haravan.tags(well) == {"VIP"}


async def test_an_outage_of_writes_for_hours_buries_nobody(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(12)]
    stage.haravan.faults.fail(503, endpoint="POST tags", rate=1)
    await stage.mark(*customers)
    await stage.turn(120, rest_s=120)
    tried = stage.haravan.calls.count("POST tags")

    stage.haravan.faults.clear()
    await stage.turn(40, rest_s=60)

    assert tried <= 12 * 8 + 120
    assert all(stage.haravan.tags(each) == {"VIP"} for each in customers)
    assert [await stage.letters(each) for each in customers] == [set()] * 12


async def test_a_customer_deleted_between_plan_and_write_is_confirmed_and_purged(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.on_call("GET customer", lambda: stage.haravan.delete(customer))
    await stage.announce(customer)

    await stage.turn(2)
    assert await stage.is_marked(customer)
    await stage.turn(3, rest_s=601)

    assert not await stage.is_marked(customer)
    assert not await stage.redis.hexists(stage.key("snapshots"), str(customer))


def _fill(stage: Stage) -> None:
    stage.haravan.consume_quota(75)


async def _when_nothing_can_land_any_more(stage: Stage) -> None:
    """An unanswered write is looked at once more after ten minutes, since it may land until then."""
    stage.clock.advance(601)
    await stage.turn(2)
