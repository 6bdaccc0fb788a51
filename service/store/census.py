"""How many customers a shop has, as Haravan said when all of them were last walked through."""

from __future__ import annotations

from typing import Any, Final

from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store import keys

FIELD: Final = "customers"  # of the shop's state; settle.lua takes off whoever is deleted


async def count(redis: ArqRedis, org: OrgId, customers: int) -> None:
    """Keep what `count.json` said."""
    client: Any = redis
    await client.hset(keys.shop(org, "state"), FIELD, customers)


async def counted(redis: ArqRedis, org: OrgId) -> int | None:
    """How many there are; None where nobody has ever walked through them."""
    client: Any = redis
    found = await client.hget(keys.shop(org, "state"), FIELD)
    return int(found) if found is not None else None
