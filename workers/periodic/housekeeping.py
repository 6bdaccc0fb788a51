"""Housekeeping: apply retention, retry dead letters with a transient cause."""

from __future__ import annotations

from dataclasses import dataclass

from service.context import Context
from service.store.client import keys
from service.store.history import apply_retention, deliveries
from service.store.queue import dead_letters, dirty


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """One pass an hour in every worker. Concurrent passes are harmless."""

    context: Context
    retention_days: int

    async def run(self) -> None:
        """One pass over all shops."""
        redis = self.context.redis
        now = await self.context.now_ms()
        oldest_ms = now - self.retention_days * keys.DAY_S * 1000
        for org in await self.context.shops.orgs():
            await deliveries.trim(redis, org, oldest_ms=oldest_ms)
            await apply_retention(redis, org, now_ms=now)
            customers = await dead_letters.due_for_retry(redis, org, now_ms=now)
            await dirty.mark_dirty_customers(
                redis, org, customers, cause="retry", now_ms=self.context.clock_ms()
            )
