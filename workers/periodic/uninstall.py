"""Checks of shops whose app was reported as uninstalled: pause the shop, and delete its data after a week."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import aiohttp
import structlog

from service.alerts import Alerts
from service.context import Context
from service.domain.customers import OrgId
from service.domain.sync import AUTH_PROBE_INTERVAL_S, DELETE_AFTER_MS, UninstallState, on_refusal
from service.errors import HaravanError, TaggerError, TokenRejected
from service.store.client import keys
from service.store.queue import RateLimiter
from service.store.shops import TOKEN_REJECTED, UNINSTALLED, Shop, uninstall
from workers.haravan import Haravan, RateLimitExceeded, WaitingPermits

WORKER: Final = "worker"
MAX_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class UninstallMonitor:
    """One pass a minute. Concurrent passes are harmless."""

    context: Context
    rate_limiter: RateLimiter
    session: aiohttp.ClientSession
    alerts: Alerts

    async def run(self, partitions: Collection[int] = keys.PARTITIONS) -> None:
        """Check every shop of these partitions that was reported as uninstalled and is due."""
        now = await self.context.now_ms()
        for org, known in (
            await uninstall.load_uninstalls(self.context.redis, await self.context.shops.orgs(partitions))
        ).items():
            if known.is_due(now):
                await self._check(org, known, now)

    async def _check(self, org: OrgId, known: UninstallState, now_ms: int) -> None:
        try:
            shop = await self.context.shops.get(org)
        except TaggerError:  # its token cannot be decrypted: the drain and the doctor report it
            return
        if shop is None:
            return
        # keeps other workers away, and is the retry if there is no response
        await uninstall.postpone_probe(self.context.redis, org, now_ms + int(AUTH_PROBE_INTERVAL_S * 1000))
        outcome = await self._outcome(shop, known, now_ms)
        structlog.get_logger().info("uninstall_check", org=org, outcome=outcome)

    async def _outcome(self, shop: Shop, known: UninstallState, now_ms: int) -> str:
        try:
            await self._probe(shop)
        except TokenRejected as exc:
            if exc.status != 401:  # a token that lacks a scope belongs to an installed app
                return "unknown"
            return await self._after_rejection(shop, known, now_ms)
        except (HaravanError, RateLimitExceeded):
            return "unknown"
        if shop.paused in (UNINSTALLED, TOKEN_REJECTED):
            await self.context.shops.resume(shop.org)
        else:
            await self.context.shops.clear_uninstall(shop.org)
        return "installed"

    async def _probe(self, shop: Shop) -> None:
        api = Haravan.for_shop(shop, self.session)
        permits = WaitingPermits(self.rate_limiter, shop.org, lane="live", max_wait_s=MAX_WAIT_S)
        await api.perform(api.dialect.count(), permits)

    async def _after_rejection(self, shop: Shop, known: UninstallState, now_ms: int) -> str:
        known, step = on_refusal(known, now_ms=now_ms)
        if not await uninstall.save_uninstall(self.context.redis, shop.org, known):
            return "installed"
        if step == "erased":
            return await self._erase(shop, now_ms)
        if step == "paused":
            await self.context.shops.pause_uninstalled(shop.org, by=WORKER)
        # Read the token after pausing: `set_token` stores first and then reads the pause, so one sees the other.
        current = await self.context.shops.get(shop.org)
        if current is None or current.token != shop.token:
            await self._resume_installed(current)
            return "installed"
        if step == "paused":
            self._notify(shop, known)
        return step

    async def _resume_installed(self, shop: Shop | None) -> None:
        if shop is not None and shop.paused == UNINSTALLED:
            await self.context.shops.resume(shop.org)
        elif shop is not None:
            await self.context.shops.clear_uninstall(shop.org)

    async def _erase(self, shop: Shop, now_ms: int) -> str:
        if not await self.context.shops.remove_uninstalled(shop.org, token=shop.token, now_ms=now_ms):
            return "waiting"  # the shop was changed at this moment
        self.alerts.raise_alert(
            "shop_erased",
            "The app was uninstalled a week ago: the stored data of this shop is erased, including its token. Rules and tag "
            "ownership stay for 30 days, without personal data.",
            org=shop.org,
        )
        return "erased"

    def _notify(self, shop: Shop, known: UninstallState) -> None:
        moment = datetime.fromtimestamp((known.confirmed_ms + DELETE_AFTER_MS) / 1000, UTC)
        day = moment.astimezone(ZoneInfo(shop.timezone)).date()
        self.alerts.raise_alert(
            "app_uninstalled",
            f"The app was uninstalled: Haravan rejects the shop's token. Its work is paused, and its data is erased on {day} "
            f"unless the token is replaced by then (`tagger shops token {shop.org}`). To keep the data without a token: "
            f"`tagger shops resume {shop.org}`; to erase it now: `tagger shops remove {shop.org}`.",
            org=shop.org,
        )
