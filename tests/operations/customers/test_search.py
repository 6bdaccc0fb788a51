"""A search reads every snapshot once, bounds what it returns, and opens personal data only if it may."""

from __future__ import annotations

from typing import Any

import pytest

from service.context import Context
from service.domain.customers.customer import Customer, CustomerId
from service.operations.customers.search import MAX_FOUND, find_customers, is_known, without_diacritics
from service.store.client import RedisClient, keys
from service.store.customers import full_name, seal_snapshot
from service.store.rules import Versions
from service.store.shops import ShopRepository
from tests.support.shop import ORG, add_shops


@pytest.fixture
async def shops(redis: RedisClient) -> ShopRepository:
    """Two shops."""
    return await add_shops(redis)


@pytest.fixture
def context(redis: RedisClient, shops: ShopRepository) -> Context:
    """What a use case needs."""
    return Context(redis, shops, Versions(redis))


async def store(redis: RedisClient, shops: ShopRepository, *customers: Customer) -> None:
    cipher = (await shops.get_or_raise(ORG)).cipher
    client: Any = redis
    for customer in customers:
        packed = seal_snapshot(customer, cipher, kept=frozenset({"email", "phone"}))
        await client.hset(keys.shop(ORG, "snapshots"), str(customer.id), packed)


async def test_only_the_first_of_many_are_returned(
    context: Context, redis: RedisClient, shops: ShopRepository
) -> None:
    await store(redis, shops, *(Customer(id=number, tags=("VIP",)) for number in range(1, MAX_FOUND + 10)))

    found = await find_customers(context, ORG, "vip", personal=True)

    assert [each.id for each in found.customers] == [*range(1, MAX_FOUND + 1)]
    assert found.has_more
    assert found.searched == MAX_FOUND + 9


async def test_without_the_right_nothing_personal_is_opened_or_returned(
    context: Context, redis: RedisClient, shops: ShopRepository
) -> None:
    await store(redis, shops, Customer(id=1, tags=("VIP",), first_name="Dũng", phone="0912345678"))

    by_name = await find_customers(context, ORG, "dung", personal=False)
    by_tag = await find_customers(context, ORG, "vip", personal=False)

    assert by_name.customers == ()
    assert [(each.name, each.phone) for each in by_tag.customers] == [("", "")]


async def test_a_snapshot_that_cannot_be_read_is_left_out(
    context: Context, redis: RedisClient, shops: ShopRepository
) -> None:
    await store(redis, shops, Customer(id=1, tags=("VIP",)))
    client: Any = redis
    await client.hset(keys.shop(ORG, "snapshots"), "2", b"\xc1broken")

    found = await find_customers(context, ORG, "VIP", personal=True)

    assert [each.id for each in found.customers] == [1]
    assert await is_known(context, ORG, CustomerId(2))
    assert not await is_known(context, ORG, CustomerId(3))


@pytest.mark.parametrize("text", ["12345", "0", "+84", "-", "  "])
async def test_few_digits_match_no_phone(
    context: Context, redis: RedisClient, shops: ShopRepository, text: str
) -> None:
    await store(redis, shops, Customer(id=1, phone="0912345678"))

    assert (await find_customers(context, ORG, text, personal=True)).customers == ()


def test_a_name_is_written_as_its_language_does() -> None:
    customer = Customer(id=1, first_name="Dũng", last_name="Lê")

    assert (full_name(customer), full_name(customer, "en")) == ("Lê Dũng", "Dũng Lê")
    assert full_name(Customer(id=1, last_name="Lê")) == "Lê"
    assert without_diacritics("  Đặng  Thị Hoà ") == "dang thi hoa"
