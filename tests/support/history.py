"""Entries of the ledger and manual changes, as a drain appends them."""

from __future__ import annotations

from typing import Any, Literal

from service.domain.customers.customer import CustomerId
from service.store.client import RedisClient, keys
from service.store.history.ledger import LedgerEntry, encode_entry
from tests.support.shop import ORG

DAY_MS = 86_400_000


async def add_entry(
    redis: RedisClient,
    customer: int,
    change: str,
    *,
    at_ms: int,
    rule: str = "vip",
    cause: str = "delivery",
    why: str = "matched",
    written: bool = True,
) -> str:
    """Append `+VIP` or `-VIP` to the ledger; returns its id."""
    action: Literal["+", "-"] = "+" if change[0] == "+" else "-"
    entry = LedgerEntry(
        action, change[1:], rule, 1, cause, {"total_spent": 12_000_000_0000}, why=why, written=written
    )
    fields = {"customer": str(customer), "entry": encode_entry(entry)}
    client: Any = redis
    added = await client.xadd(keys.shop(ORG, "ledger"), fields, id=f"{at_ms}-*")
    index = keys.shop(ORG, "ledger_by_customer")
    before = await redis.hget(index, str(customer))
    ids = [*(before.decode().split(",") if before else []), added.decode()]
    await redis.hset(index, str(customer), ",".join(ids))
    return str(added.decode())


async def add_manual_change(redis: RedisClient, customer: int, change: str, *, at_ms: int) -> None:
    """Append a change that somebody else made: `+Khách sỉ`."""
    fields = {"customer": str(CustomerId(customer)), "tag": change}
    client: Any = redis
    await client.xadd(keys.shop(ORG, "drift"), fields, id=f"{at_ms}-*")
