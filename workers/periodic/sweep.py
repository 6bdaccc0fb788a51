"""The sweep: wake shops whose wake-up was lost, enqueue scheduled customers, sample day counts, and stop overruns."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from service.alerts import Alerts
from service.context import Context
from service.domain.customers import CustomerId, OrgId
from service.errors import NotFound, TaggerError
from service.publishing import rollout
from service.store.client import handle_clock_step_back, keys, load_partitions, load_script
from service.store.history import day_counts
from service.store.queue import dirty, wake_shop
from service.store.shops import Shop

MAX_WOKEN: Final = 500  # shops in one pass
MAX_SCHEDULED: Final = 1000  # customers of a shop in one pass: at midnight, all may become due at once


class Sweep:
    """Runs in every worker. Concurrent passes are harmless."""

    def __init__(self, context: Context, alerts: Alerts) -> None:
        self._context = context
        self._alerts = alerts
        self._timezones: dict[
            OrgId, tuple[tuple[str, int], str]
        ] = {}  # with the data and version they belong to

    async def run(self) -> int:
        """One pass. Returns how many shops were woken."""
        await self.handle_clock_step()
        return await self.wake_due_shops()

    async def handle_clock_step(self) -> None:
        """End all waits if the clock of the store was set back."""
        context = self._context
        step_ms = await handle_clock_step_back(context.redis, now_ms=context.now_ms, orgs=context.shops.orgs)
        if step_ms:
            structlog.get_logger().warning("sweep", outcome="clock_set_back", step_s=step_ms / 1000)

    async def wake_due_shops(self) -> int:
        """Wake every shop that is due and has neither a lease holder nor a pending wake-up."""
        redis = self._context.redis
        now = await self._context.now_ms()
        partitions = await load_partitions(
            redis,
            lambda pipe, number: pipe.zrangebyscore(
                keys.of_partition(number, "due_shops"), "-inf", now, start=0, num=MAX_WOKEN, withscores=True
            ),
        )
        due = [entry for partition in partitions.values() for entry in partition]
        due.sort(key=lambda entry: float(entry[1]))
        wake_due = load_script("queue", "wake_due")
        woken = 0
        for org in (OrgId(name.decode()) for name, _ in due[:MAX_WOKEN]):
            must_wake, number = await wake_due(redis, org, self._context.clock_ms())
            if must_wake and await wake_shop(redis, org, number=number):
                woken += 1
        return woken

    async def check_shops(self, partitions: Collection[int] = keys.PARTITIONS) -> int:
        """Enqueue scheduled customers, sample the day counts, and stop publishes that exceed their preview.

        Returns how many customers were enqueued.
        """
        enqueued = 0
        for org in await self._context.shops.orgs(partitions):
            try:
                shop = await self._context.shops.describe(org)
                today = _today(await self._context.now_ms(), await self._timezone(shop))
                enqueued += await self._enqueue_scheduled(org, today)
                await day_counts.sample(self._context.redis, org, day=today, now_ms=self._context.clock_ms())
            except NotFound:  # removed meanwhile
                continue
            except TaggerError as exc:
                structlog.get_logger().error("sweep", org=org, outcome="failed", cause=str(exc))
                continue
            await self._stop_overruns(org)
        return enqueued

    async def _enqueue_scheduled(self, org: OrgId, today: int) -> int:
        """Enqueue the customers whose day has come, also after a missed midnight."""
        redis = self._context.redis
        due = await redis.zrangebyscore(keys.shop(org, "schedule"), "-inf", today, start=0, num=MAX_SCHEDULED)
        if due:
            customers = [CustomerId(int(cid)) for cid in due]
            # Enqueue before removing: a crash between the two enqueues twice, not never.
            await dirty.mark_dirty_customers(
                redis, org, customers, cause="schedule", now_ms=self._context.clock_ms()
            )
            await load_script("queue", "schedule_remove_due")(redis, org, today, *due)
        return len(due)

    async def _timezone(self, shop: Shop) -> str:
        """The time zone of the live rules, because the schedule has the days of that zone. Raises NotFound.

        With the shop's own time zone a customer would be enqueued hours late, or repeatedly until its day has come.
        """
        versions = self._context.versions
        number = await versions.live_number(shop.org)
        if not number:
            return shop.timezone
        known, version = self._timezones.get(shop.org), (shop.data_id, number)
        if known is None or known[0] != version:
            timezone = (await versions.document(shop.org, number)).timezone
            known = self._timezones[shop.org] = (version, timezone)
        return known[1]

    async def _stop_overruns(self, org: OrgId) -> None:
        for run_id in await rollout.stop_overruns(self._context.redis, org):
            self._alerts.raise_alert(
                "publish_overrun",
                f"publish {run_id} was about to remove more tags than its preview said. Removals are paused until "
                f"`tagger shops resume {org} --removals`; tags are still added.",
                org=org,
            )


def _today(now_ms: int, timezone: str) -> int:
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).toordinal()
