"""Writing: responses that are lost, false or errors, swaps that stop halfway, and tags that somebody reverts."""

from __future__ import annotations

import pytest

from service.store.client import RedisClient
from tests.workers.stage import TIERS, Stage, staged


async def test_a_swap_adds_first_and_removes_the_spelling_of_the_record(redis: RedisClient) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="SILVER")
        await stage.announce(customer)

        await stage.turn(2)

        assert stage.haravan.tags(customer) == {"Gold"}
        writes = [call for call in stage.haravan.calls.last if call.method != "GET"]
        assert [(call.method, call.body) for call in writes] == [
            ("POST", b'{"tags":"Gold"}'),
            ("DELETE", b'{"tags":"SILVER"}'),
        ]


async def test_an_addition_without_a_response_is_owned_and_is_not_sent_again(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.lose_answer(endpoint="POST tags")
    await stage.announce(customer)

    await stage.turn(4, rest_s=5)
    await _wait_for_late_writes(stage)

    assert stage.haravan.calls.count("POST tags") == 1
    assert set(await stage.owned(customer)) == {"vip"}
    assert await stage.ledger(customer) == ["+VIP"]
    assert not await stage.is_marked(customer)


async def test_a_removal_without_a_response_is_in_the_ledger_and_is_no_drift(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=1)
    stage.haravan.faults.lose_answer(endpoint="DELETE tags")
    await stage.announce(customer)

    await stage.turn(4, rest_s=5)
    await _wait_for_late_writes(stage)

    assert stage.haravan.calls.count("DELETE tags") == 1
    assert await stage.ledger(customer) == ["+VIP", "-VIP"]
    assert await stage.redis.xlen(stage.key("drift")) == 0
    assert await stage.owned(customer) == {}
    assert not await stage.is_marked(customer)


async def test_a_write_that_takes_effect_minutes_later_is_found_and_removed(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(503, endpoint="POST tags")
    await stage.announce(customer)
    await stage.turn()
    stage.haravan.edit(customer, total_spent=1)
    await stage.announce(customer)
    await stage.turn(3)
    stage.haravan.tag_by_hand(customer, "VIP")  # the slow write takes effect now, without a webhook

    stage.clock.advance(600)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == set()
    assert await stage.ledger(customer) == ["+VIP", "-VIP"]
    assert not await stage.is_marked(customer)


async def test_a_removal_by_hand_right_after_our_write_is_no_echo(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.untag_by_hand(customer, "VIP")  # the body is equal to the one before our write

    result = await stage.announce(customer)
    await stage.turn(2)

    assert result.outcome == "marked"
    assert stage.haravan.tags(customer) == {"VIP"}


async def test_a_tag_reverted_three_times_within_a_day_is_suppressed_for_a_day_with_a_dead_letter(
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


async def test_a_tag_that_haravan_stores_with_another_spelling_is_written_three_times_at_most(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(200, body='{"tags":"V.I.P"}', endpoint="POST tags", rate=1)
    await stage.announce(customer)

    await stage.turn(20)

    assert stage.haravan.calls.count("POST tags") == 3
    assert await stage.letters(customer) == {"undone:VIP"}

    stage.clock.advance(600)  # a slow write may take effect until now
    await stage.turn(2)

    assert stage.haravan.calls.count("POST tags") == 3
    assert not await stage.is_marked(customer)


async def test_after_a_response_with_other_tags_the_record_is_read_and_the_tag_is_not_written_twice(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.disagree(endpoint="POST tags")
    await stage.announce(customer)

    await stage.turn(3)
    await _wait_for_late_writes(stage)

    assert stage.haravan.calls.count("POST tags") == 1
    assert set(await stage.owned(customer)) == {"vip"}
    assert await stage.ledger(customer) == ["+VIP"]
    assert not await stage.is_marked(customer)


async def test_a_swap_without_room_for_its_removal_does_not_send_the_addition_again(
    redis: RedisClient,
) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="Silver")
        stage.haravan.on_call("POST tags", lambda: _exhaust_rate_limit(stage))
        await stage.announce(customer)

        await stage.turn(12)

        assert stage.haravan.tags(customer) == {"Gold"}
        assert stage.haravan.calls.count("POST tags") == 1
        assert await stage.ledger(customer) == ["+Gold", "-Silver"]
        assert stage.haravan.calls.count(status=429) == 0


async def test_a_429_between_the_requests_of_a_swap_does_not_send_the_addition_again(
    redis: RedisClient,
) -> None:
    async with staged(redis, rules=TIERS) as stage:
        customer = stage.haravan.create(total_spent=60_000_000, tags="Silver")
        stage.haravan.faults.throttle(4.0, endpoint="DELETE tags")
        await stage.announce(customer)

        await stage.turn(8)

        assert stage.haravan.tags(customer) == {"Gold"}
        assert stage.haravan.calls.count("POST tags") == 1
        assert await stage.field(customer, "attempts") is None


async def test_a_customer_that_was_completed_while_its_write_was_in_flight_is_read_again(
    stage: Stage,
) -> None:
    """The webhook arrives between permit and request, and a read sees the record before the write takes effect."""
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.on_call("GET customer", lambda: _exhaust_rate_limit(stage))  # the plan must wait
    await stage.announce(customer)
    await stage.turn(rest_s=12)
    assert await stage.field(customer, "state") == "planned"

    async def before_the_write() -> None:
        stage.haravan.edit(customer, total_spent=1)
        await stage.announce(customer)
        await _complete_unchanged(stage, customer)

    stage.haravan.on_call("POST tags", before_the_write, when="before")
    await stage.turn(5)
    await _wait_for_late_writes(stage)

    assert stage.haravan.calls.count("POST tags") == 1
    assert stage.haravan.tags(customer) == set()
    assert not await stage.is_marked(customer)


async def _complete_unchanged(stage: Stage, customer: int) -> None:
    """Remove the mark, as a read does if nothing needs to be written."""
    async with stage.redis.pipeline(transaction=True) as pipe:
        pipe.delete(stage.key(f"mark:{customer}"))
        for queue in ("ready:live", "delayed", "planned:live"):
            pipe.zrem(stage.key(queue), customer)
        await pipe.execute()


async def test_an_unreadable_plan_is_made_again_and_the_other_plans_are_executed(
    stage: Stage,
) -> None:
    unreadable, readable = (stage.haravan.create(total_spent=12_000_000) for _ in range(2))
    stage.haravan.on_call("GET customers", lambda: _exhaust_rate_limit(stage))  # both plans must wait
    await stage.mark(unreadable, readable)
    await stage.turn(rest_s=12)
    assert [await stage.field(customer, "state") for customer in (unreadable, readable)] == [
        "planned",
        "planned",
    ]
    await stage.redis.hset(stage.key(f"mark:{unreadable}"), mapping={"plan": b"\xc1"})

    await stage.turn(2)

    assert [stage.haravan.tags(customer) for customer in (unreadable, readable)] == [{"VIP"}, {"VIP"}]
    assert stage.haravan.calls.by_endpoint() == {"GET customers": 1, "GET customer": 1, "POST tags": 2}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_eight_failed_writes_are_a_dead_letter_that_a_later_success_closes(
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


async def test_a_rejected_write_is_tried_three_times_and_is_then_a_dead_letter(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(422, endpoint="POST tags", customer=customer, rate=1)
    await stage.announce(customer)

    await stage.turn(8, rest_s=60)

    assert stage.haravan.calls.count("POST tags") == 3
    assert await stage.letters(customer) == {"rejected"}
    assert not await stage.is_marked(customer)


async def test_a_customer_that_is_deleted_between_plan_and_write_is_deleted_after_a_second_404(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.on_call("GET customer", lambda: stage.haravan.delete(customer))
    await stage.announce(customer)

    await stage.turn(2)
    assert await stage.is_marked(customer)
    await stage.turn(3, rest_s=601)

    assert not await stage.is_marked(customer)
    assert not await stage.redis.hexists(stage.key("snapshots"), str(customer))


def _exhaust_rate_limit(stage: Stage) -> None:
    stage.haravan.consume_quota(75)


async def _wait_for_late_writes(stage: Stage) -> None:
    """Let ten minutes pass: a write without a response may take effect until then, and is then read again."""
    stage.clock.advance(601)
    await stage.turn(2)


async def test_in_a_live_backlog_writes_use_what_the_reads_leave(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(400)]
    await stage.mark(*customers, lane="live")

    await stage.turn()

    assert not await stage.redis.exists(stage.key("ready:live"))  # all are read
    assert 8 < stage.wrote() <= 80


async def test_answers_that_never_fit_the_record_are_asked_for_later_each_time_and_then_no_more(
    stage: Stage,
) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(200, endpoint="POST tags", rate=1, body='{"tags": "VIP,Zalo"}')
    await stage.announce(customer)

    await stage.turn(20, rest_s=3)
    in_a_minute = stage.wrote()
    await stage.turn(20, rest_s=900)

    assert in_a_minute <= 4
    assert stage.wrote() == 8
    assert await stage.letters(customer) == {"unavailable"}
