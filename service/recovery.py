"""Recovery: what follows when another Redis server answers, or when the store cannot accept webhooks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from service.alerts import NO_SHOP, Alerts
from service.errors import OverQuota, StoreFull
from service.ingest import Flush
from service.settings import Settings
from service.store.client import MAX_USED, RedisClient, StoreChange
from service.store.history import StoreLoss, store_changes
from service.store.jobs import nightly
from service.store.shops import ShopRepository

ALERT_INTERVAL_S: Final = 60.0  # between two attempts to raise the same alert


async def _no_reload(_: Collection[int]) -> None:
    """The workers have no cache of shops."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Repairs what a change of the store may have broken. May be executed twice, and by several processes.

    `seed` creates what the environment names, and `reload` loads caches again, as far as it is in these partitions.
    """

    redis: RedisClient
    shops: ShopRepository
    alerts: Alerts
    seed: Callable[[Collection[int]], Awaitable[object]]
    reload: Callable[[Collection[int]], Awaitable[None]] = _no_reload

    async def __call__(self, change: StoreChange) -> None:
        """Seed, request a reconcile of every shop from before the change, keep it for the doctor, and alert."""
        await self.seed(change.partitions)
        orgs = await self.shops.orgs(change.partitions)
        if change.since_ms:
            await nightly.request_reconciles(self.redis, orgs, since_ms=change.since_ms)
        await self.reload(change.partitions)
        if change.kind in ("emptied", "rewound"):
            loss = StoreLoss(change.kind, int(time.time() * 1000), change.since_ms, shops=len(orgs))
            await store_changes.save(self.redis, loss, partition=min(change.partitions))
        since = datetime.fromtimestamp(change.since_ms / 1000, UTC).isoformat(timespec="minutes")
        if change.kind == "emptied":
            self.alerts.raise_alert(
                "store_emptied",
                f"The Redis server has lost our data, or is another one. It has {len(orgs)} shops now: those that the "
                "environment names. Add the others again or restore a backup. The ownership of tags is lost with the "
                f"data. Customers that changed since {since} are being read.",
            )
        elif change.kind == "rewound":
            self.alerts.raise_alert(
                "store_rewound",
                "Another Redis server answers, or the same one after a time in which it was not fit. Its data may lack "
                f"the latest writes. Customers of all {len(orgs)} shops that changed since {since} are being read.",
            )


def unfit_alert(alerts: Alerts) -> Callable[[str], None]:
    """A function that says why nothing is acknowledged."""

    def raise_alert(reasons: str) -> None:
        alerts.raise_alert("store_unfit", f"Webhooks are answered 503, and no tags are written. {reasons}")

    return raise_alert


@dataclass(slots=True)
class RefusalAlerts:
    """Alerts for webhooks that are answered 503 because of a shop's quota or a full store. Call it with each flush."""

    alerts: Alerts
    settings: Settings
    _raised_s: dict[tuple[str, str], float] = field(default_factory=dict)

    def __call__(self, flush: Flush) -> None:
        """Raise an alert for each refused batch, at most once a minute for each kind and shop."""
        for batch in flush.batches:
            if isinstance(batch.error, OverQuota) and self._is_due("shop_over_quota", batch.org):
                self.alerts.raise_alert("shop_over_quota", self._quota_text(batch.error), org=batch.org)
            elif isinstance(batch.error, StoreFull) and self._is_due("store_full", NO_SHOP):
                self.alerts.raise_alert(
                    "store_full",
                    f"Redis uses {MAX_USED:.0%} of its maxmemory: webhooks of all shops are answered 503. Processing goes "
                    "on. Raise maxmemory, or remove a shop that needs most of it. See RUNBOOK, The store fills.",
                )

    def _quota_text(self, error: OverQuota) -> str:
        if error.what == "customers":
            return (
                f"{self.settings.shop_max_waiting:,} customers of this shop wait (SHOP_MAX_WAITING): its webhooks are "
                "answered 503 until fewer wait. Other shops are not affected. If the webhooks are not real, replace the "
                "shop's secret or remove the shop."
            )
        return (
            f"{self.settings.shop_max_deliveries:,} webhooks of this shop arrived today (SHOP_MAX_DELIVERIES): its "
            "webhooks are answered 503 until midnight UTC. Other shops are not affected."
        )

    def _is_due(self, kind: str, org: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._raised_s.get((kind, org), float("-inf")) < ALERT_INTERVAL_S:
            return False
        self._raised_s[kind, org] = now_s
        return True
