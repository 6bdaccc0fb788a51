"""The night of each shop: is it still subscribed, who changed unheard, and is everybody right?

Once a shop and night over all workers, at a trickle behind live webhooks. A night that was missed, or that did not
come to its end, is done as soon as somebody can. A shop that is paused, or has no rules, has none.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import aiohttp
import structlog
from arq.connections import ArqRedis
from redis.asyncio.lock import Lock

from service.alerts import Alerts
from service.domain.customers import OrgId
from service.errors import HaravanError, TaggerError, Unauthorised
from service.store import nights
from service.store.bucket import Bucket
from service.store.counters import Counters
from service.store.nights import Night
from service.store.shop import Shop
from service.store.shops import Shops
from service.store.versions import Versions
from workers.haravan.client import Haravan
from workers.haravan.pacer import Pacer, Trickle
from workers.haravan.subscription import Subscription
from workers.pausing import pause_at_night
from workers.rulebook import Rulebook
from workers.walk import Walk

BEGINS_MIN: Final = 120  # two o'clock in the shop's zone …
SPREAD_MIN: Final = 120  # … and for some of them later, not for all at once
AT_ONCE: Final = 8  # shops of one worker
REST_S: Final = 2.0  # before each call: 100,000 customers take a bit more than an hour
AGAIN_S: Final = 600  # after a night that failed


class NightOver(TaggerError):
    """The night cannot go on here: the shop was paused, or another worker has it since this one stood still."""


@dataclass(frozen=True, slots=True)
class Nights:
    """What the nights need; `run` is called every now and then."""

    redis: ArqRedis
    shops: Shops
    versions: Versions
    rulebook: Rulebook
    bucket: Bucket
    session: aiohttp.ClientSession
    counters: Counters
    alerts: Alerts
    subscribe_url: str
    now_ms: Callable[[], Awaitable[int]]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _busy: set[OrgId] = field(default_factory=set)

    async def run(self) -> int:
        """Do every night that is due and that nobody is at; how many came to their end.

        May be called again meanwhile: a large shop's night takes hours, and others begin later.
        """
        free = [org for org in await self.shops.orgs() if org not in self._busy]
        self._busy.update(free)
        done = await asyncio.gather(*(self._shop(org) for org in free), return_exceptions=True)
        for each in done:
            if isinstance(each, BaseException):
                raise each  # the store is away, or a bug: the others have come to their end
        return sum(each is True for each in done)

    async def _shop(self, org: OrgId) -> bool:
        try:
            async with self._room:
                return await self._if_due(org)
        finally:
            self._busy.discard(org)

    async def _if_due(self, org: OrgId) -> bool:
        try:
            shop = await self.shops.get(org)
        except TaggerError:  # its token cannot be opened: the drain and the doctor say so
            return False
        if shop is None or shop.paused:
            return False
        now = await self.now_ms()
        night = Night(night_of(now, shop.timezone, org), now, subscribed=False)
        before = await nights.last(self.redis, org)
        if before is None:  # the first look at a shop is a backfill
            await nights.done(self.redis, org, night)
            return False
        if before.day >= night.day:
            return False
        lock = await nights.acquire(self.redis, org)
        return lock is not None and await self._at_it(shop, before, night, lock)

    async def _at_it(self, shop: Shop, before: Night, night: Night, lock: Lock) -> bool:
        log = structlog.get_logger().bind(org=shop.org)
        began = time.monotonic()
        try:
            subscribed = await self._subscription(shop, before)
            await self._walks(shop, before, night, lock)
        except Unauthorised as exc:
            await pause_at_night(self.shops, self.alerts, self.redis, shop, exc, now_ms=await self.now_ms())
            await nights.release(lock)
            return False
        except TaggerError as exc:
            log.warning("night", outcome="failed", cause=str(exc), again_in_s=AGAIN_S)
            await nights.renew(lock, for_s=AGAIN_S)
            return False
        await nights.done(self.redis, shop.org, replace(night, subscribed=subscribed))
        await nights.release(lock)
        log.info("night", outcome="done", duration_ms=round((time.monotonic() - began) * 1000))
        return True

    async def _subscription(self, shop: Shop, before: Night) -> bool:
        """Whether webhooks come. Haravan drops a subscription in silence: one that was there is asked for again."""
        asked = Subscription(self.session, address=self.subscribe_url, token=shop.token)
        try:
            if await asked.show():
                return True
            if not before.subscribed:
                return False
            await asked.add()
        except HaravanError as exc:  # without the scope wh_api nobody can say
            structlog.get_logger().info("night", org=shop.org, outcome="subscription unknown", cause=str(exc))
            return before.subscribed
        self.alerts.raise_alert(
            "subscription",
            "Haravan had dropped the subscription to this shop's webhooks. It is subscribed again, and whoever "
            "changed meanwhile is looked at now.",
            org=shop.org,
        )
        return True

    async def _walks(self, shop: Shop, before: Night, night: Night, lock: Lock) -> None:
        version = await self.versions.live_number(shop.org)
        if not version:
            return
        began = time.monotonic()

        async def rest(seconds: float) -> None:
            if not await nights.renew(lock):
                raise NightOver("another worker has this night")
            if await self.shops.is_paused(shop.org):
                raise NightOver("the shop was paused")
            await self.sleep(seconds)

        pacer = Pacer(self.bucket, shop.org, lane="bulk", reserve=shop.reserve)
        walk = Walk(
            redis=self.redis,
            shop=shop,
            api=Haravan.of(shop, self.session),
            permits=Trickle(pacer, every_s=REST_S, sleep=rest),
            compiled=await self.rulebook.rules(shop, version),
            version=version,
            now_ms=lambda: night.looked_ms + int((time.monotonic() - began) * 1000),
            on_repair=lambda cause, count: self.counters.add("scrub_repairs", count, cause=cause),
        )
        await walk("reconcile", by="night", since_ms=before.looked_ms)
        await walk("scrub", by="night")


def night_of(now_ms: int, timezone: str, org: OrgId) -> int:
    """The night that is on or was last, as the ordinal of the day in the shop's zone on which it began."""
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(timezone))
    begins = BEGINS_MIN + zlib.crc32(org.encode()) % SPREAD_MIN
    began = local.hour * 60 + local.minute >= begins
    return local.toordinal() if began else local.toordinal() - 1
