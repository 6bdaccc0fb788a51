"""The nightly reconcile of each shop: check the webhook subscription, read what changed, and audit all customers.

It runs once a night per shop over all workers, slowly and behind live webhooks. A missed or failed run is caught up as
soon as possible. Shops that are paused or have no rules are skipped. A shop whose first look is not complete is read again instead.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import aiohttp
import structlog
from redis.asyncio.lock import Lock

from service.alerts import Alerts
from service.context import Context
from service.domain.customers import OrgId
from service.errors import HaravanError, TaggerError, TokenRejected
from service.store.client import keys
from service.store.jobs import Counters, NightlyRun, nightly
from service.store.queue import RateLimiter
from service.store.rules import CompiledRulesCache
from service.store.shops import Shop
from workers.drain import pause_for_rejected_token
from workers.haravan import Haravan, Subscription, ThrottledPermits, WaitingPermits, count_requests
from workers.scan import CustomerScan, build_scan

START_MIN: Final = 120  # two o'clock in the shop's time zone …
SPREAD_MIN: Final = 120  # … plus up to two hours, so that not all shops start at once
CONCURRENCY: Final = 8  # shops of one worker
REQUEST_INTERVAL_S: Final = 2.0  # 100,000 customers take a bit more than an hour
RETRY_DELAY_S: Final = 600
REQUEST_RETRY_DELAY_S: Final = 30


class NightlyStopped(TaggerError):
    """This run cannot continue: the shop was paused, or another worker took over while this process was suspended."""


@dataclass(frozen=True, slots=True)
class NightlyReconcile:
    """The nightly reconcile of all shops. Call `run` regularly."""

    context: Context
    rules_cache: CompiledRulesCache
    rate_limiter: RateLimiter
    session: aiohttp.ClientSession
    counters: Counters
    alerts: Alerts
    subscribe_url: str
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))
    _running: set[OrgId] = field(default_factory=set)

    @property
    def has_room(self) -> bool:
        """Whether another shop could begin at once."""
        return not self._slots.locked()

    async def run(self, partitions: Collection[int] = keys.PARTITIONS) -> int:
        """Run all shops of these partitions that are due and not in progress. Returns how many runs were completed.

        May be called again before it returns: a large shop takes hours, and other shops become due meanwhile.
        """
        idle = [org for org in await self.context.shops.orgs(partitions) if org not in self._running]
        self._running.update(idle)
        results = await asyncio.gather(*(self._run_shop(org) for org in idle), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result  # Redis is away, or a bug; the other shops have been completed
        return sum(result is True for result in results)

    async def _run_shop(self, org: OrgId) -> bool:
        try:
            async with self._slots:
                return await self._run_if_due(org)
        finally:
            self._running.discard(org)

    async def _run_if_due(self, org: OrgId) -> bool:
        try:
            shop = await self.context.shops.get(org)
        except TaggerError:  # its token cannot be decrypted: the drain and the doctor report it
            return False
        if shop is None or shop.paused:
            return False
        if not await self._run_requested(shop):
            return False
        now = await self.context.now_ms()
        this = NightlyRun(nightly_date(now, shop.timezone, org), now, subscribed=False)
        last = await nightly.last_run(self.context.redis, org)
        if last is None:  # a new shop starts with a backfill
            await nightly.save_run(self.context.redis, org, this)
            return False
        if last.day >= this.day:
            return False
        lock = await nightly.acquire(self.context.redis, org)
        return lock is not None and await self._run_locked(shop, last, this, lock)

    async def _run_requested(self, shop: Shop) -> bool:
        """Execute the reconciles that a change of the store requires. Returns whether none is left."""
        requests = await nightly.load_requests(self.context.redis, shop.org)
        if not requests or not await self.context.versions.live_number(shop.org):
            return True  # without rules nothing can be wrong; the request waits for them
        lock = await nightly.acquire(self.context.redis, shop.org)
        if lock is None:
            return False
        log = structlog.get_logger().bind(org=shop.org)
        try:
            scan = await self._build_scan(shop, lock)
            if scan is not None:
                await scan("reconcile", by="recovery", since_ms=min(requests))
        except TaggerError as exc:  # also of a rejected token: the drain pauses the shop
            log.warning("nightly", outcome="failed", cause=str(exc), retry_in_s=REQUEST_RETRY_DELAY_S)
            await nightly.renew(lock, for_s=REQUEST_RETRY_DELAY_S)
            return False
        await nightly.close_requests(self.context.redis, shop.org, requests)
        await nightly.release(lock)
        log.info("nightly", outcome="recovered")
        return True

    async def _run_locked(self, shop: Shop, last: NightlyRun, this: NightlyRun, lock: Lock) -> bool:
        log = structlog.get_logger().bind(org=shop.org)
        started = time.monotonic()
        try:
            subscribed = await self._check_subscription(shop, last)
            await self._scan(shop, last, lock)
        except TokenRejected as exc:
            now = await self.context.now_ms()
            await pause_for_rejected_token(
                self.context.redis,
                self.context.shops,
                self.alerts,
                shop.org,
                exc,
                token=shop.token,
                now_ms=now,
            )
            await nightly.release(lock)
            return False
        except TaggerError as exc:
            log.warning("nightly", outcome="failed", cause=str(exc), retry_in_s=RETRY_DELAY_S)
            await nightly.renew(lock, for_s=RETRY_DELAY_S)
            return False
        await nightly.save_run(self.context.redis, shop.org, replace(this, subscribed=subscribed))
        await nightly.release(lock)
        log.info("nightly", outcome="done", duration_ms=round((time.monotonic() - started) * 1000))
        return True

    async def _check_subscription(self, shop: Shop, last: NightlyRun) -> bool:
        """Whether the shop is subscribed. Haravan drops subscriptions silently: one that existed is made again."""
        subscription = Subscription(self.session, address=self.subscribe_url, token=shop.token)
        try:
            if await subscription.list_events():
                return True
            if not last.subscribed:
                return False
            await subscription.subscribe()
        except HaravanError as exc:  # a token without the scope wh_api cannot tell
            structlog.get_logger().info(
                "nightly", org=shop.org, outcome="subscription_unknown", cause=str(exc)
            )
            return last.subscribed
        self.alerts.raise_alert(
            "subscription_lost",
            "Haravan had dropped the subscription to this shop's webhooks. It is subscribed again, and customers that "
            "changed meanwhile are being read.",
            org=shop.org,
        )
        return True

    async def _scan(self, shop: Shop, last: NightlyRun, lock: Lock) -> None:
        scan = await self._build_scan(shop, lock)
        if scan is not None and shop.first_look != "complete":
            await scan("backfill", by="nightly")
        elif scan is not None:
            await scan("reconcile", by="nightly", since_ms=last.looked_ms)
            await scan("audit", by="nightly")

    async def _build_scan(self, shop: Shop, lock: Lock) -> CustomerScan | None:
        """A slow scan that holds the lock. None if the shop has no rules."""

        async def pause(seconds: float) -> None:
            if not await nightly.renew(lock):
                raise NightlyStopped("another worker has taken over")
            if await self.context.shops.is_paused(shop.org):
                raise NightlyStopped("the shop was paused")
            await self.sleep(seconds)

        permits = WaitingPermits(self.rate_limiter, shop.org, lane="bulk", reserve=shop.reserve)
        return await build_scan(
            self.context,
            shop,
            Haravan.for_shop(shop, self.session, on_request=count_requests(self.counters)),
            permits=ThrottledPermits(permits, interval_s=REQUEST_INTERVAL_S, sleep=pause),
            rules_cache=self.rules_cache,
            on_repair=lambda cause, count: self.counters.add("reconcile_repairs", count, cause=cause),
        )


def nightly_date(now_ms: int, timezone: str, org: OrgId) -> int:
    """The date of the current or latest night, as the ordinal of the day in the shop's time zone on which it starts."""
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(timezone))
    start_min = START_MIN + zlib.crc32(org.encode()) % SPREAD_MIN
    started = local.hour * 60 + local.minute >= start_min
    return local.toordinal() if started else local.toordinal() - 1
