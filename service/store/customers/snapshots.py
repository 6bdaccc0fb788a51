"""How many customers a shop has, as Haravan said when all of them were last walked through, and whom of them we know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.store.client import keys, scan_hash

FIELD: Final = "customer_count"  # of the shop's state; settle.lua subtracts deleted customers


async def save_count(redis: ArqRedis, org: OrgId, customers: int) -> None:
    """Keep what `count.json` said."""
    client: Any = redis
    await client.hset(keys.shop(org, "state"), FIELD, customers)


async def get_count(redis: ArqRedis, org: OrgId) -> int | None:
    """How many there are; None where nobody has ever walked through them."""
    client: Any = redis
    found = await client.hget(keys.shop(org, "state"), FIELD)
    return int(found) if found is not None else None


async def known_ids(
    redis: ArqRedis, org: OrgId, *, on_found: Callable[[int], None] = lambda _: None
) -> set[CustomerId]:
    """Whoever was ever looked at. `on_found` hears how many were found so far."""
    found: set[CustomerId] = set()
    async for step in scan_hash(redis, keys.shop(org, "snapshots")):
        found.update(CustomerId(int(name)) for name in step)
        on_found(len(found))
    return found
