"""Apps that are said to be uninstalled: asks Haravan, pauses the shop, erases it after a week; a good answer ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import aiohttp
import structlog
from arq.connections import ArqRedis

from service.alerts import Alerts
from service.domain.customers import OrgId
from service.domain.failures import PROBE_EVERY_S
from service.domain.uninstalling import ERASED_AFTER_MS, Uninstall, after_refusal
from service.errors import HaravanError, TaggerError, Unauthorised
from service.store import erasing, uninstalling
from service.store.bucket import Bucket
from service.store.shop import Shop
from service.store.shops import UNAUTHORISED, Shops
from service.store.uninstalling import UNINSTALLED
from workers.haravan.client import Haravan
from workers.haravan.pacer import NoRoom, Pacer

WORKER: Final = "worker"
LONGEST_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Uninstalls:
    """One pass a minute in every worker; twice at a time does no harm."""

    redis: ArqRedis
    shops: Shops
    bucket: Bucket
    session: aiohttp.ClientSession
    alerts: Alerts
    now_ms: Callable[[], Awaitable[int]]

    async def run(self) -> None:
        """Ask about every shop of which it was said and that is due."""
        now = await self.now_ms()
        for org, known in (await uninstalling.told(self.redis, await self.shops.orgs())).items():
            if known.is_due(now):
                await self._look(org, known, now)

    async def _look(self, org: OrgId, known: Uninstall, now_ms: int) -> None:
        try:
            shop = await self.shops.get(org)
        except TaggerError:  # its token cannot be opened: the drain and the doctor say so
            return
        if shop is None:
            return
        # nobody else meanwhile, and then again where there was no answer
        await uninstalling.put_off(self.redis, org, now_ms + int(PROBE_EVERY_S * 1000))
        outcome = await self._asked(shop, known, now_ms)
        structlog.get_logger().info("uninstalled", org=org, outcome=outcome)

    async def _asked(self, shop: Shop, known: Uninstall, now_ms: int) -> str:
        try:
            await self._probe(shop)
        except Unauthorised:
            return await self._refused(shop, known, now_ms)
        except (HaravanError, NoRoom):
            return "unknown"
        if shop.paused in (UNINSTALLED, UNAUTHORISED):
            await self.shops.resume(shop.org)
        else:
            await self.shops.is_installed(shop.org)
        return "installed"

    async def _probe(self, shop: Shop) -> None:
        api = Haravan.of(shop, self.session)
        pacer = Pacer(self.bucket, shop.org, lane="live", longest_wait_s=LONGEST_WAIT_S)
        await api.perform(api.dialect.count(), pacer)

    async def _refused(self, shop: Shop, known: Uninstall, now_ms: int) -> str:
        known, step = after_refusal(known, now_ms=now_ms)
        if not await uninstalling.keep(self.redis, shop.org, known):
            return "installed"
        if step == "erased":
            return await self._erase(shop, now_ms)
        if step == "paused":
            await self.shops.pause_uninstalled(shop.org, by=WORKER)
        # After that: `set_token` looks after storing, one sees the other.
        now = await self.shops.get(shop.org)
        if now is None or now.token != shop.token:
            await self._installed_meanwhile(now)
            return "installed"
        if step == "paused":
            self._tell(shop, known)
        return step

    async def _installed_meanwhile(self, shop: Shop | None) -> None:
        if shop is not None and shop.paused == UNINSTALLED:
            await self.shops.resume(shop.org)
        elif shop is not None:
            await self.shops.is_installed(shop.org)

    async def _erase(self, shop: Shop, now_ms: int) -> str:
        if not await erasing.erase_uninstalled(
            self.redis, self.shops, shop.org, token=shop.token, now_ms=now_ms
        ):
            return "waits"  # somebody changed the shop in this moment
        self.alerts.raise_alert(
            "erased",
            "A week after its app was uninstalled, what was stored of this shop is erased, its token too. Whose tags are "
            "ours and the rules stay for 30 days, without personal data.",
            org=shop.org,
        )
        return "erased"

    def _tell(self, shop: Shop, known: Uninstall) -> None:
        moment = datetime.fromtimestamp((known.sure_ms + ERASED_AFTER_MS) / 1000, UTC)
        day = moment.astimezone(ZoneInfo(shop.timezone)).date()
        self.alerts.raise_alert(
            "uninstalled",
            f"The app was uninstalled: Haravan refuses the shop's token. Its work is paused, and what is stored of it is "
            f"erased on {day}, unless `tagger shops token {shop.org}` has a good one by then. To keep it without one: "
            f"`tagger shops resume {shop.org}`; to erase it at once: `tagger shops remove {shop.org}`.",
            org=shop.org,
        )
