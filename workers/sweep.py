"""The sweep: rings for shops whose wake-up was lost, marks whom the calendar names, and keeps the house."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from arq.connections import ArqRedis

from service.alerts import Alerts
from service.domain.customers import CustomerId, OrgId
from service.errors import TaggerError
from service.store import claiming, deadletters, going_live, keys, marks, publish_runs, publishing, queue
from service.store.clock import mend_step_back
from service.store.erasing import erase_again
from service.store.forgetting import forget
from service.store.script import load_script
from service.store.shop import Shop
from service.store.shops import Shops
from service.store.versions import Versions

MOST_RUNG: Final = 500  # in one pass
MOST_DUE: Final = 1000  # calendar days come due at midnight, for everybody at once: a slice a pass
CALENDAR_EVERY_S: Final = 30.0
HOUSE_EVERY_S: Final = 3600.0


class Sweep:
    """One pass a second in every worker; each step may run in several workers at once without harm."""

    def __init__(
        self,
        redis: ArqRedis,
        shops: Shops,
        *,
        versions: Versions,
        alerts: Alerts,
        retention_days: int,
        clock_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._versions = versions
        self._alerts = alerts
        self._redis = redis
        self._shops = shops
        self._retention_ms = retention_days * keys.DAY_S * 1000
        self._clock_ms = clock_ms
        self._zones: dict[OrgId, tuple[int, str]] = {}  # by live version
        self._calendar_at = 0.0
        self._house_at = 0.0

    async def run(self, *, monotonic_s: float) -> int:
        """One pass; the number of shops that were rung for."""
        await self.mend_clock()
        rung = await self.ring_for_the_due()
        if monotonic_s >= self._calendar_at:
            self._calendar_at = monotonic_s + CALENDAR_EVERY_S
            await self.mark_by_calendar()
        if monotonic_s >= self._house_at:
            self._house_at = monotonic_s + HOUSE_EVERY_S
            await self.keep_house()
        return rung

    async def mend_clock(self) -> None:
        """End all waiting where the store's clock was set back."""
        back_ms = await mend_step_back(self._redis, now_ms=self.now_ms, orgs=self._shops.orgs)
        if back_ms:
            structlog.get_logger().warning("sweep", outcome="clock set back", by_s=back_ms / 1000)

    async def ring_for_the_due(self) -> int:
        """Ring for every shop that is due, has no holder and no wake-up on its way."""
        now = await self.now_ms()
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys.of_partitions("due_shops"):
                pipe.zrangebyscore(key, "-inf", now, start=0, num=MOST_RUNG, withscores=True)
            due = [each for part in await pipe.execute() for each in part]
        due.sort(key=lambda each: float(each[1]))
        rung = 0
        for org in (OrgId(each.decode()) for each, _ in due[:MOST_RUNG]):
            yes, number = await load_script("queue", "wake_due")(self._redis, org, self._clock_ms())
            if yes and await queue.ring(self._redis, org, number=number):
                rung += 1
        return rung

    async def mark_by_calendar(self) -> int:
        """Mark whoever is due by today in the zone of each shop's rules, so that a missed midnight catches up. Returns how many.

        In the same round publishes are looked after: one that takes more tags than its preview said is stopped,
        one whose process died before its marks is carried out, and so are the end of a shadow mode and claims by hand.
        """
        marked = 0
        now = await self.now_ms()
        for org in await self._shops.orgs():
            try:
                shop = await self._shops.get(org)
                zone = await self._zone(shop) if shop is not None else ""
            except TaggerError as exc:
                structlog.get_logger().error("sweep", org=org, outcome="failed", cause=str(exc))
                continue
            if shop is not None:
                marked += await self._mark_due(org, today=today(now, zone))
                await self._look_after_publishes(shop, now)
        return marked

    async def _zone(self, shop: Shop) -> str:
        """The zone of the live rules: they count the days that stand in the calendar. Raises NotFound.

        By the shop's own zone a customer would be marked hours late, or again and again until its day has come.
        """
        number = await self._versions.live_number(shop.org)
        if not number:
            return shop.timezone
        known = self._zones.get(shop.org)
        if known is None or known[0] != number:
            zone = (await self._versions.document(shop.org, number)).timezone
            known = self._zones[shop.org] = (number, zone)
        return known[1]

    async def _look_after_publishes(self, shop: Shop, now: int) -> None:
        for run_id in await publish_runs.stop_overruns(self._redis, shop.org):
            self._alerts.raise_alert(
                "publish",
                f"publish {run_id} was about to take more tags than its preview said. Nothing is removed until "
                f"`tagger shops resume {shop.org} --removals`; tags are added as before.",
                org=shop.org,
            )
        finished = await publishing.finish(self._redis, shop, versions=self._versions, now_ms=now)
        if finished is not None:
            structlog.get_logger().warning("sweep", org=shop.org, outcome="publish finished", run=finished.id)
        live = await going_live.finish(self._redis, shop, versions=self._versions, now_ms=now)
        if live is not None:
            structlog.get_logger().warning("sweep", org=shop.org, outcome="going live finished", run=live.id)
        for run in await claiming.finish(self._redis, shop, versions=self._versions, now_ms=now):
            structlog.get_logger().warning("sweep", org=shop.org, outcome="claim finished", run=run.id)

    async def _mark_due(self, org: OrgId, *, today: int) -> int:
        """Mark first, then leave the calendar: a crash between the two marks twice, never not at all."""
        calendar = keys.shop(org, "schedule")
        due = await self._redis.zrangebyscore(calendar, "-inf", today, start=0, num=MOST_DUE)
        if due:
            customers = [CustomerId(int(each)) for each in due]
            await marks.mark_customers(self._redis, org, customers, cause="schedule", now_ms=self._clock_ms())
            await load_script("queue", "schedule_remove_due")(self._redis, org, today, *due)
        return len(due)

    async def keep_house(self) -> None:
        """Shorten what has a lifetime, try transient dead letters again after a day, and bring erasures to their end."""
        now = await self.now_ms()
        for org in await erase_again(self._redis, now_ms=now):
            structlog.get_logger().info("sweep", org=org, outcome="erased")
        for org in await self._shops.orgs():
            await self._redis.xtrim(keys.shop(org, "deliveries"), minid=str(now - self._retention_ms))
            await forget(self._redis, org, now_ms=now)
            again = await deadletters.due_again(self._redis, org, now_ms=now)
            await marks.mark_customers(self._redis, org, again, cause="retry", now_ms=self._clock_ms())

    async def now_ms(self) -> int:
        """The server's time, or the simulation's."""
        if given := self._clock_ms():
            return given
        seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000


def today(now_ms: int, timezone: str) -> int:
    """The shop's day as an ordinal."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).toordinal()
