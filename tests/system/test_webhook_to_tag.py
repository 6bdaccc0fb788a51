"""A signed webhook becomes the right tags: web application, worker, real Valkey and sandbox together."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from service.store.client import RedisClient
from service.store.shops import Dialect
from tests.support.shop import ORG, VERIFY_TOKEN
from tests.support.wait import wait_until
from tests.system.environment import System, all_expected_tags, running

pytestmark = pytest.mark.timeout(600)


async def test_an_order_over_the_threshold_becomes_a_tag_and_a_refund_takes_it_back(system: System) -> None:
    customer = system.haravan.create(first_name="Ánh", email="anh@example.com")
    await system.settled()

    system.haravan.order(customer, 12_000_000)
    await system.settled()
    assert system.haravan.tags(customer) == {"VIP", "Bạc"}

    system.haravan.refund(customer, 5_000_000)
    await system.settled()
    assert system.haravan.tags(customer) == set()


async def test_a_refund_that_only_its_own_webhook_reports_takes_the_tag_back(system: System) -> None:
    customer = system.haravan.create(first_name="Ánh")
    system.haravan.order(customer, 12_000_000)
    await system.settled()
    assert system.haravan.tags(customer) == {"VIP", "Bạc"}

    system.haravan.app(topics=["refunds/create"])
    system.haravan.refund(customer, 2_500_000)
    await system.settled()

    assert system.haravan.customer(customer)["total_spent"] == 9_500_000
    assert system.haravan.tags(customer) == set()


@pytest.mark.parametrize("total", [0, -2_500_000])
async def test_a_refund_of_everything_and_more_takes_the_tags_back(system: System, total: int) -> None:
    """Some shops refund shipping, too, and then the total is below zero (woocommerce#26753)."""
    customer = system.haravan.create(first_name="Ánh", tags="Khách sỉ")
    system.haravan.order(customer, 12_000_000)
    await system.settled()
    assert system.haravan.tags(customer) == {"Khách sỉ", "VIP", "Bạc"}

    system.haravan.edit(customer, total_spent=total)
    await system.settled()

    assert system.haravan.tags(customer) == {"Khách sỉ"}
    assert await system.redis.hlen(system.key("dead_letters")) == 0


async def test_an_echo_ends_by_itself_and_costs_no_api_call(system: System) -> None:
    customer = system.haravan.create(total_spent=12_000_000)
    await system.settled()

    assert system.haravan.tags(customer) == {"VIP", "Bạc"}
    assert system.haravan.calls.count("GET customer") == 1
    assert system.haravan.calls.count("POST tags") == 1


async def test_an_uninstalled_shop_is_paused_erased_and_comes_back(system: System) -> None:
    customer = system.haravan.create(total_spent=12_000_000)
    await system.settled()
    shop = await system.shops.get_or_raise(ORG)

    system.haravan.uninstall()
    await system.haravan.deliveries.wait_idle()
    await wait_until(lambda: was_denied(system))
    assert (await system.shops.get_or_raise(ORG)).paused == ""
    system.clock.advance(3_600)
    await wait_until(lambda: system.shops.is_paused(ORG))
    assert await system.redis.hlen(system.key("snapshots")) == 1
    system.clock.advance(7 * 86_400)
    for name in ("snapshots", "ledger"):
        await wait_until(lambda name=name: is_erased(system, name))

    assert await system.shops.orgs() == ()
    assert await is_erased(system, "shop")

    system.haravan.install("new-token")
    await system.shops.add(replace(shop, token="new-token"))
    await system.haravan.subscribe(f"{system.url}/webhooks/haravan", verify_token=VERIFY_TOKEN)
    system.haravan.refund(customer, 12_000_000)
    await system.settled()
    assert system.haravan.tags(customer) == set()  # they were known to be ours


def managed_tags(system: System) -> dict[int, set[str]]:
    """The tags of every customer that the rules may give."""
    return {customer: tags & {"VIP", "Vàng", "Bạc"} for customer, tags in system.tags().items()}


async def was_denied(system: System) -> bool:
    return bool(await system.redis.hexists(system.key("state"), "uninstall_first_denied_ms"))


async def is_erased(system: System, name: str) -> bool:
    return not await system.redis.exists(system.key(name))


@pytest.mark.parametrize("dialect", ["omni", "admin"])
async def test_a_busy_day_ends_with_every_customer_right(
    redis: RedisClient, redis_url: str, queue_url: str, dialect: Dialect
) -> None:
    rng = random.Random(7)
    async with running(redis, redis_url, queue_url, dialect=dialect, workers=2) as system:
        ids = system.haravan.populate(60, seed=3)
        system.haravan.deliveries.duplicate_rate = 0.2
        system.haravan.deliveries.reorder_rate = 0.2
        for _ in range(150):
            customer = rng.choice(ids)
            match rng.randrange(4):
                case 0:
                    system.haravan.refund(customer, 1_000_000)
                case 1:
                    system.haravan.tag_by_hand(customer, "Khách sỉ")
                case _:
                    system.haravan.order(customer, rng.choice([500_000, 3_000_000, 20_000_000]))
        for customer in ids:  # some had no event so far: a drain has to see each of them
            system.haravan.edit(customer, note="x")
        await system.settled()

        assert managed_tags(system) == all_expected_tags(system.haravan)


async def test_events_keep_coming_while_haravan_fails_and_all_come_right(system: System) -> None:
    system.haravan.faults.fail(status=502, next=3, html=True)
    ids = system.haravan.populate(30, seed=5)
    for customer in ids:
        system.haravan.order(customer, 12_000_000)

    await system.settled()

    assert system.haravan.calls.count(status=502) == 3
    assert managed_tags(system) == all_expected_tags(system.haravan)
