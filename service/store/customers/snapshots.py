"""Which customers of a shop are known, and how many the shop has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from service.domain.customers import CustomerId, OrgId
from service.store.client import RedisClient, batched, keys, scan_hash

COUNT_FIELD: Final = "customer_count"  # of the shop's state; settle.lua subtracts deleted customers


async def save_count(redis: RedisClient, org: OrgId, customers: int) -> None:
    """Save the number of customers that Haravan counted."""
    await redis.hset(keys.shop(org, "state"), COUNT_FIELD, customers)


async def get_count(redis: RedisClient, org: OrgId) -> int | None:
    """The number of customers in the shop. None before the first scan."""
    count = await redis.hget(keys.shop(org, "state"), COUNT_FIELD)
    return int(count) if count is not None else None


async def never_read(
    redis: RedisClient, org: OrgId, customers: Sequence[CustomerId]
) -> frozenset[CustomerId]:
    """Those of the customers that were never read: no snapshot is stored."""
    unread: set[CustomerId] = set()
    for batch in batched(customers):
        stored = await redis.hmget(keys.shop(org, "snapshots"), [str(customer) for customer in batch])
        unread.update(customer for customer, packed in zip(batch, stored, strict=True) if packed is None)
    return frozenset(unread)


async def known_ids(
    redis: RedisClient, org: OrgId, *, on_found: Callable[[int], None] = lambda _: None
) -> set[CustomerId]:
    """The customers that were ever read. `on_found` gets the number of ids found so far."""
    ids: set[CustomerId] = set()
    async for page in scan_hash(redis, keys.shop(org, "snapshots")):
        ids.update(CustomerId(int(name)) for name in page)
        on_found(len(ids))
    return ids
