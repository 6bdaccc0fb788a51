"""The snapshots of a shop: which customers are known, how many the shop has, and fields that are not read any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from service.domain.customers import CustomerId, OrgId
from service.store.client import RedisClient, batched, keys, load_script, queue_erased, scan_hash
from service.store.customers.sealed_snapshots import drop_fields
from service.store.encryption import ShopCipher

COUNT_FIELD: Final = "customer_count"  # of the shop's state; settle.lua subtracts deleted customers
VERSION_FIELD: Final = (
    "snapshots_version"  # of the shop's state: the version whose fields the snapshots keep at most
)


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


async def kept_version(redis: RedisClient, org: OrgId) -> int:
    """The version of the rules that snapshots were last reduced to. 0 = none."""
    return int(await redis.hget(keys.shop(org, "state"), VERSION_FIELD) or 0)


async def reduce_to(
    redis: RedisClient, org: OrgId, cipher: ShopCipher, *, kept: frozenset[str], version: int, now_ms: int
) -> int:
    """Drop e-mail, phone or note from all snapshots where this version of the rules does not read it.

    Returns how many snapshots were rewritten. It can be repeated, and drains go on meanwhile.
    """
    rewritten = 0
    async for page in scan_hash(redis, keys.shop(org, "snapshots")):
        dropped = [
            (customer, stored, smaller)
            for customer, stored in page.items()
            if (smaller := drop_fields(stored, cipher, kept=kept)) is not None
        ]
        for batch in batched(dropped):
            await load_script("customers", "snapshot_replace")(
                redis, org, *(value for triple in batch for value in triple)
            )
        rewritten += len(dropped)
    async with redis.pipeline() as pipe:
        pipe.hset(keys.shop(org, "state"), VERSION_FIELD, version)
        if rewritten:
            queue_erased(pipe, org, now_ms)
        await pipe.execute()
    return rewritten
