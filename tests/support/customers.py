"""Customers in the store of a shop, without a sandbox: what previews and editors evaluate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from service.domain.customers import Customer, OrgId
from service.store.client import RedisClient, keys
from service.store.customers import seal_snapshot, snapshots
from service.store.shops import ShopRepository

MILLION: Final = 1_000_000_0000  # in ten-thousandths, as amounts are stored
PROVINCES: Final = ("Hồ Chí Minh", "Hà Nội", "Đà Nẵng", "Hồ Chí Minh", "TP. Hồ Chí Minh")


def spending(count: int, *, tags: tuple[str, ...] = ()) -> list[Customer]:
    """Customers 1 to `count`, who spent one million each time more, have 0 to 4 orders and live in four places."""
    return [
        Customer(
            id=number,
            total_spent=number * MILLION,
            orders_count=number % 5,
            tags=tags,
            province=PROVINCES[number % len(PROVINCES)],
        )
        for number in range(1, count + 1)
    ]


async def store_customers(
    redis: RedisClient, shops: ShopRepository, org: OrgId, customers: Iterable[Customer]
) -> None:
    """Store snapshots as a complete walk does."""
    shop = await shops.get_or_raise(org)
    sealed = {
        str(customer.id): seal_snapshot(customer, shop.cipher, kept=frozenset()) for customer in customers
    }
    names = [*sealed]
    for start in range(0, len(names), 5_000):
        page = {name: sealed[name] for name in names[start : start + 5_000]}
        await redis.hset(keys.shop(org, "snapshots"), mapping=page)
    await snapshots.save_count(redis, org, len(sealed))
