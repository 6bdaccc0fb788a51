"""Fetching: lists that lag or do not match the request, and records that fail a whole batch."""

from __future__ import annotations

import json

import pytest

from service.store.client import RedisClient
from tests.workers.stage import Stage, staged


async def test_a_record_that_fails_its_batch_ends_up_alone_and_the_others_are_tagged(stage: Stage) -> None:
    broken, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(20)]
    stage.haravan.faults.fail(500, endpoint="GET *", customer=broken, rate=1)
    await stage.mark(broken, *others)

    await stage.turn(40, rest_s=300)

    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in others)
    assert [await stage.letters(customer) for customer in others] == [set()] * 19
    assert await stage.letters(broken) == {"unavailable"}
    assert not await stage.is_marked(broken)


async def test_a_customer_whose_id_fails_the_list_with_a_4xx_is_the_only_dead_letter(stage: Stage) -> None:
    broken, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(50)]
    stage.haravan.faults.fail(400, endpoint="GET *", customer=broken, rate=1)
    await stage.mark(broken, *others)

    await stage.turn(40, rest_s=100)

    assert [await stage.letters(customer) for customer in others] == [set()] * 49
    assert await stage.letters(broken) == {"rejected"}


@pytest.mark.parametrize("mode", ["ignored", "omit", "extra", "reorder"])
async def test_a_list_that_does_not_match_the_request_gives_no_customer_a_wrong_tag(
    stage: Stage, mode: str
) -> None:
    stage.haravan.populate(60)
    tagged = [stage.haravan.create(total_spent=12_000_000) for _ in range(4)]
    untagged = [stage.haravan.create(total_spent=1) for _ in range(4)]
    stage.haravan.faults.ids_mode = mode  # type: ignore[assignment]
    await stage.mark(*tagged, *untagged)

    await stage.turn(4)

    assert [stage.haravan.tags(customer) for customer in (*tagged, *untagged)] == [{"VIP"}] * 4 + [set()] * 4
    assert [customer for customer in (*tagged, *untagged) if await stage.is_marked(customer)] == []
    assert bool(await stage.state("single_reads_until")) == (mode == "ignored")


async def test_a_stale_record_of_a_list_is_read_again_before_the_decision(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=1) for _ in range(3)]
    stage.clock.advance(100)
    stage.haravan.faults.lag_s = 50
    for customer in customers:
        stage.haravan.edit(customer, total_spent=12_000_000)
        await stage.announce(customer)

    await stage.turn(2)

    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)


async def test_a_record_that_stays_older_than_its_webhook_is_believed_after_four_reads_and_read_once_more(
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


async def test_an_html_page_instead_of_json_leads_to_a_retry(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(502, html=True, next=2)
    stage.haravan.faults.fail(200, body="<html>Bảo trì</html>", next=1)
    await stage.announce(customer)

    await stage.turn(8, rest_s=60)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.letters(customer) == set()


async def test_a_record_that_is_too_large_delays_nobody_else(stage: Stage) -> None:
    others = [stage.haravan.create(total_spent=12_000_000) for _ in range(19)]
    huge = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(200, endpoint="GET *", customer=huge, rate=1, body=" " * (9 * 2**20))
    await stage.mark(*others[:10], huge, *others[10:])

    await stage.turn(4)

    assert [stage.haravan.tags(customer) for customer in others] == [{"VIP"}] * 19
    assert await stage.field(huge, "state") == "delayed"
    assert stage.haravan.calls.count("GET customer*") <= 12


@pytest.mark.parametrize("dialect", ["omni", "admin"])
async def test_answers_with_another_customer_are_retried(redis: RedisClient, dialect: str) -> None:
    async with staged(redis, dialect=dialect) as stage:
        asked = [stage.haravan.create(total_spent=12_000_000) for _ in range(3)]
        other = stage.haravan.customer(stage.haravan.create(total_spent=1))
        wrong = {"GET customers": {"customers": [other]}, "GET customer": {"customer": other}}
        for endpoint, body in wrong.items():
            stage.haravan.faults.fail(200, endpoint=endpoint, rate=1, body=json.dumps(body))
        await stage.mark(*asked)

        await stage.turn(3)
        assert [await stage.letters(customer) for customer in asked] == [set()] * 3
        stage.haravan.faults.clear()
        await stage.turn(10, rest_s=60)

        assert [stage.haravan.tags(customer) for customer in asked] == [{"VIP"}] * 3


async def test_one_customer_who_is_never_answered_does_not_delay_the_reads_of_others(stage: Stage) -> None:
    broken = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(500, endpoint="GET *", customer=broken, rate=1)
    await stage.mark(broken)
    await stage.turn(30, rest_s=60)
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.mark(broken, customer)

    await stage.turn(2)
    await stage.turn(2, rest_s=6)

    assert stage.haravan.tags(customer) == {"VIP"}
