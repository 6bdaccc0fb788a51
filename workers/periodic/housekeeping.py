"""Housekeeping: apply retention, retry dead letters with a transient cause, and let erased data leave the disk."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from service.context import Context
from service.domain.customers import OrgId
from service.errors import TaggerError
from service.store.client import SERVICE, keys
from service.store.customers import kept_fields, snapshots
from service.store.history import apply_retention, deliveries
from service.store.queue import dead_letters, dirty
from service.store.topology import rewrite_after_erasure


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """One pass an hour in every worker. Concurrent passes are harmless."""

    context: Context
    retention_days: int

    async def run(self) -> None:
        """One pass over all shops, then over the server."""
        redis = self.context.redis
        now = await self.context.now_ms()
        oldest_ms = now - self.retention_days * keys.DAY_S * 1000
        await apply_retention(redis, SERVICE, now_ms=now)
        for org in await self.context.shops.orgs():
            await deliveries.trim(redis, org, oldest_ms=oldest_ms)
            await apply_retention(redis, org, now_ms=now)
            customers = await dead_letters.due_for_retry(redis, org, now_ms=now)
            await dirty.mark_dirty_customers(
                redis, org, customers, cause="retry", now_ms=self.context.clock_ms()
            )
            try:
                await self._reduce_snapshots(org, now_ms=now)
            except TaggerError as exc:  # this shop's rules cannot be read
                structlog.get_logger().error("housekeeping", org=org, outcome="failed", cause=str(exc))
        await rewrite_after_erasure(redis)

    async def _reduce_snapshots(self, org: OrgId, *, now_ms: int) -> None:
        """After a publish: drop the personal fields that the live rules do not read any more."""
        redis, versions = self.context.redis, self.context.versions
        number = await versions.live_number(org)
        if not number or number == await snapshots.kept_version(redis, org):
            return
        shop = await self.context.shops.describe(org)
        compiled = await versions.compiled(org, number, timezone=shop.timezone, currency=shop.currency)
        await snapshots.reduce_to(
            redis,
            org,
            shop.cipher,
            kept=kept_fields(compiled.required_keys),
            version=number,
            now_ms=now_ms,
        )
