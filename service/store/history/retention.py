"""Retention: trims the ledger, drift and audit log to 400 days."""

from __future__ import annotations

from typing import Final

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys, load_script
from service.store.history import audit_log

PAGE_SIZE: Final = 1_000  # customers of one call, which takes a few milliseconds


async def apply_retention(redis: RedisClient, org: OrgId, *, now_ms: int) -> None:
    """Trim the streams, and the next page of their indexes by customer."""
    oldest_ms = now_ms - keys.LEDGER_DAYS * keys.DAY_S * 1000
    for name in ("ledger", "drift"):
        await redis.xtrim(keys.shop(org, name), minid=str(oldest_ms), approximate=False)
    await audit_log.trim(redis, org, oldest_ms=oldest_ms)
    await load_script("history", "trim_indexes")(redis, org, oldest_ms, PAGE_SIZE)
