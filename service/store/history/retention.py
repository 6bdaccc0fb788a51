"""Forgetting what was kept long enough: the ledger, what people changed by hand, and the audit, after 400 days."""

from __future__ import annotations

from typing import Final

from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store.client import keys, load_script

PAGE_SIZE: Final = 1_000  # customers a call, a few milliseconds


async def apply_retention(redis: ArqRedis, org: OrgId, *, now_ms: int) -> None:
    """Trim the streams, and one more page of their indexes by customer."""
    oldest_ms = now_ms - keys.LEDGER_DAYS * keys.DAY_S * 1000
    for name in ("ledger", "drift", "audit"):
        await redis.xtrim(keys.shop(org, name), minid=str(oldest_ms), approximate=False)
    await load_script("history", "trim_indexes")(redis, org, oldest_ms, PAGE_SIZE)
