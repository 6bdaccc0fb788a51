"""Which shops there are and which secrets are theirs, kept in the process so that no webhook waits for a read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.errors import BadSettings, StoreAway, Unreadable
from service.store.shop import DEFAULT_CURRENCY
from service.store.shops import Shops

FRESH_S: Final = 5.0  # a changed secret is known after this long at most
AGAIN_S: Final = 1.0  # and after this long when a signature did not fit; so forgeries cost one read a second
WAIT_S: Final = 0.8  # so that the answer is there within a second


@dataclass(frozen=True, slots=True)
class Known:
    """What the webhook endpoint needs of a shop."""

    org: OrgId
    currency: str
    secrets: tuple[bytes, ...]  # the app's, valid for every shop, then the shop's own


class Directory:
    """Every shop's secrets and currency, read again in the background when they are older than `FRESH_S`."""

    def __init__(
        self,
        shops: Shops,
        *,
        app_secrets: tuple[str, ...],
        wait_s: float = WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shops = shops
        self.app_secrets = tuple(secret.encode() for secret in app_secrets)
        self._wait_s = wait_s
        self._clock = clock
        self._known: dict[str, Known] = {}
        self._domains: dict[str, str] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def find(self, org: str) -> Known | None:
        """The shop as last read, without waiting; starts a new reading when that is old."""
        if self._clock() - self._read_at > FRESH_S:
            self._start()
        return self._known.get(org)

    def org_of(self, domain: str) -> str:
        """The org of a legacy `Haravan-Shop-Domain` header, "" when no shop's API is there."""
        return self._domains.get(domain.strip().lower(), "")

    async def look_again(self) -> bool:
        """Read again because a shop or a signature did not fit; False when that was done a moment ago.

        Raises StoreAway when nothing could be read and nothing ever was.
        """
        if self._reading is None and self._clock() - self._read_at < AGAIN_S:
            return False
        try:
            async with asyncio.timeout(self._wait_s):
                await asyncio.shield(self._start())
        except (RedisError, OSError) as exc:  # a timeout is an OSError
            raise StoreAway("the shops cannot be read") from exc
        return True

    def _start(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._finished)
        return self._reading

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled():
            task.exception()  # seen; whoever waited for it raises it, and otherwise what we have stays in use

    async def _read(self) -> None:
        known: dict[str, Known] = {}
        domains: dict[str, str] = {}
        for org in await self._shops.orgs():
            known[org], domain = await self._one(org)
            domains[domain] = org
        self._known, self._domains, self._read_at = known, domains, self._clock()

    async def _one(self, org: OrgId) -> tuple[Known, str]:
        try:
            shop = await self._shops.get(org)
        except (Unreadable, BadSettings):  # its own secret cannot be opened; the app's still holds
            shop = None
        if shop is None:
            return Known(org, DEFAULT_CURRENCY, self.app_secrets), ""
        own = (shop.secret.encode(),) if shop.secret else ()
        return Known(org, shop.currency, (*self.app_secrets, *own)), (urlsplit(shop.api_url).hostname or "")
