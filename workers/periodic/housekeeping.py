"""Housekeeping: apply retention, retry dead letters with a transient cause, and finish deletions of shops."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from service.context import Context
from service.store import deadletters, keys, marks
from service.store.erasing import erase_again
from service.store.forgetting import forget


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """One pass an hour in every worker. Concurrent passes are harmless."""

    context: Context
    retention_days: int

    async def run(self) -> None:
        """One pass over all shops."""
        redis = self.context.redis
        now = await self.context.now_ms()
        for org in await erase_again(redis, now_ms=now):
            structlog.get_logger().info("housekeeping", org=org, outcome="erased")
        oldest_ms = now - self.retention_days * keys.DAY_S * 1000
        for org in await self.context.shops.orgs():
            await redis.xtrim(keys.shop(org, "deliveries"), minid=str(oldest_ms))
            await forget(redis, org, now_ms=now)
            customers = await deadletters.due_again(redis, org, now_ms=now)
            await marks.mark_customers(redis, org, customers, cause="retry", now_ms=self.context.clock_ms())
