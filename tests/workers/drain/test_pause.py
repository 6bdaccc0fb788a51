"""Pauses of a whole shop: after a rejected token or denied access, and after too many 404s at once."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from service.store.client import RedisClient
from tests.workers.stage import Stage, staged


async def test_a_rejected_token_pauses_the_shop_until_a_probe_succeeds(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(3)]
    token = stage.haravan.token
    stage.haravan.replace_token("another")
    await stage.mark(*customers)
    await stage.turn(30, rest_s=20)

    assert await stage.state("paused")
    assert all([await stage.is_marked(customer) for customer in customers]) is True

    stage.haravan.replace_token(token)
    await stage.turn(20, rest_s=20)

    assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)
    assert [await stage.letters(customer) for customer in customers] == [set()] * 3


async def test_many_404s_at_once_pause_the_shop_and_delete_no_customer(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(10)]
    await stage.mark(*customers)
    await stage.turn(2)
    for customer in customers:
        stage.haravan.faults.fail(404, endpoint="GET customer", customer=customer, rate=1)
    stage.haravan.faults.ids_mode = "omit"
    for customer in customers[5:]:
        stage.haravan.delete(customer)
    await stage.mark(*customers)

    await stage.turn(3, rest_s=700)

    assert await stage.state("paused") == "mass_404"
    assert [customer for customer in customers if not await stage.owned(customer)] == []
    assert [customer for customer in customers[5:] if not await stage.is_marked(customer)] == []


async def test_reported_deletions_do_not_hide_404s_without_a_webhook(stage: Stage) -> None:
    reported = [stage.haravan.create(total_spent=1) for _ in range(30)]
    unreported = [stage.haravan.create(total_spent=1) for _ in range(6)]
    await stage.mark(*reported, *unreported)
    await stage.turn(2)
    await stage.delete_and_announce(*reported)
    for customer in unreported:
        stage.haravan.delete(customer)
    await stage.mark(*unreported)

    await stage.turn()

    assert await stage.state("paused") == "mass_404"


async def test_404s_of_customers_that_were_never_seen_do_not_pause_the_shop(stage: Stage) -> None:
    for number in range(60):  # signed with our secret, sent with this shop's id in an unsigned header
        await stage.deliver(b'{"id":%d}' % (5_000_000 + number))
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)

    await stage.turn(30, rest_s=100)

    assert await stage.state("paused") == ""
    assert stage.haravan.tags(customer) == {"VIP"}
    assert not await stage.redis.exists(
        stage.key("ready:live"), stage.key("ready:bulk"), stage.key("delayed")
    )


async def test_a_403_for_one_customer_is_that_of_this_customer(stage: Stage) -> None:
    denied, *others = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    stage.haravan.faults.fail(403, endpoint="POST tags", customer=denied, rate=1)
    await stage.mark(denied, *others)

    await stage.turn(10, rest_s=60)

    assert await stage.state("paused") == ""
    assert [stage.haravan.tags(customer) for customer in others] == [{"VIP"}] * 5
    assert await stage.letters(denied) == {"denied"}


@pytest.mark.parametrize(
    ("endpoint", "scope"), [("POST tags", "com.write_customers"), ("GET customer", "com.read_customers")]
)
async def test_403s_for_several_customers_in_a_row_pause_the_shop_and_name_the_scope(
    stage: Stage, endpoint: str, scope: str
) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(12)]
    stage.haravan.faults.fail(403, endpoint=endpoint, rate=1)
    with capture_logs() as logs:
        for customer in customers:
            await stage.announce(customer)
            await stage.turn()
        await stage.drain.alerts.drain()

    assert await stage.state("paused") == "token_rejected"
    (alert,) = [line for line in logs if line["event"] == "alert"]
    assert scope in alert["text"]


async def test_a_shop_whose_scope_is_back_loses_no_customer(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(12)]
    stage.haravan.faults.fail(403, endpoint="POST tags", rate=1)
    await stage.mark(*customers)
    await stage.turn(60, rest_s=100)  # the probe reads, so it succeeds every five minutes
    assert [await stage.letters(customer) for customer in customers] == [set()] * 12

    stage.haravan.faults.clear()
    await stage.turn(40, rest_s=100)

    assert [stage.haravan.tags(customer) for customer in customers] == [{"VIP"}] * 12


@pytest.mark.parametrize("dialect", ["omni", "admin"])
async def test_a_token_without_the_scope_for_writing_is_not_taken_for_a_good_one_by_the_probe(
    redis: RedisClient, dialect: str
) -> None:
    async with staged(redis, dialect=dialect) as stage:
        shop = stage.haravan.shop
        scopes, shop.scopes = shop.scopes, ("com.read_customers",)
        customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(10)]
        await stage.mark(*customers)
        with capture_logs() as logged:
            await stage.turn(40, rest_s=20)
            await stage.drain.alerts.drain()
        told = [line["text"] for line in logged if line["event"] == "alert"]
        resumed = [line for line in logged if line.get("outcome") == "resumed"]

        assert (await stage.state("paused"), resumed) == ("token_rejected", [])
        assert "likely lacks the scope com.write_customers" in told[0]

        shop.scopes = scopes
        await stage.turn(30, rest_s=20)
        assert all(stage.haravan.tags(customer) == {"VIP"} for customer in customers)
