"""The names of customers are opened for those who look, and an unreadable snapshot has none."""

from __future__ import annotations

from service.domain.customers import Customer, CustomerId
from service.store.client import RedisClient, keys
from service.store.customers import load_names
from service.store.encryption import KeyRing
from service.store.shops import Shop, ShopRepository
from tests.support.customers import store_customers
from tests.support.shop import KEY, ORG


async def test_names_are_in_the_order_of_the_language(redis: RedisClient) -> None:
    shops = ShopRepository(redis, KeyRing([KEY]))
    await shops.add(Shop(org=ORG, name="Gốm", dialect="omni", api_url="http://localhost", token="t" * 20))
    await store_customers(
        redis,
        shops,
        ORG,
        [
            Customer(id=CustomerId(1), last_name="Lê", first_name="Dũng"),
            Customer(id=CustomerId(2), first_name="Vy"),
            Customer(id=CustomerId(3)),
        ],
    )
    await redis.hset(keys.shop(ORG, "snapshots"), "4", b"\xc1broken")
    cipher = (await shops.get_or_raise(ORG)).cipher

    vi = await load_names(redis, ORG, cipher, [1, 2, 3, 4, 5, 1], "vi")
    en = await load_names(redis, ORG, cipher, [1], "en")

    assert (vi, en) == ({1: "Lê Dũng", 2: "Vy"}, {1: "Dũng Lê"})
