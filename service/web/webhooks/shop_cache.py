"""The shops' webhook secrets, cached in the process so that no webhook waits for a read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.errors import StoreUnavailable
from service.sentence import Sentence
from service.store.client import keys
from service.store.shops import ShopRepository, WebhookCredentials

POLL_INTERVAL_S: Final = 5.0  # a changed secret is in use after this long at most
MIN_REFRESH_INTERVAL_S: Final = 1.0  # for wrong signatures: forgeries cost one read a second at most
REFRESH_TIMEOUT_S: Final = 0.8  # Haravan is answered within a second


@dataclass(frozen=True, slots=True)
class WebhookShop:
    """What the webhook endpoint needs of a shop."""

    org: OrgId
    secrets: tuple[bytes, ...]  # the app's secrets, which sign for every shop, then the shop's own


class ShopCache:
    """The secrets of every shop, loaded again when the revision of the shops of a partition changes.

    It is empty until `start`, so no webhook is accepted before Redis is known to be durable. The shops of a server that is
    away stay as they were last loaded.
    """

    def __init__(
        self,
        shops: ShopRepository,
        *,
        app_secrets: tuple[str, ...],
        timeout_s: float = REFRESH_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = shops
        self.app_secrets = tuple(secret.encode() for secret in app_secrets)
        self._timeout_s = timeout_s
        self._clock = clock
        self._shops: dict[str, WebhookShop] = {}
        self._orgs: dict[str, str] = {}  # by domain
        self._partitions: dict[int, list[WebhookCredentials]] = {}
        self._revisions: dict[int, int] = {}  # of the partitions
        self._unread = frozenset(keys.PARTITIONS)  # the partitions that the last check could not read
        self._checked_at = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None

    def get(self, org: str) -> WebhookShop | None:
        """The shop as last loaded."""
        return self._shops.get(org)

    def org_for_domain(self, domain: str) -> str:
        """The org of a legacy `Haravan-Shop-Domain` header, "" if no shop's API has this domain."""
        return self._orgs.get(domain.strip().lower(), "") if domain else ""

    def start(self) -> None:
        """Load the shops, then check for changes every few seconds until `stop`."""
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(), name="shop_cache")

    async def stop(self) -> None:
        """Stop checking for changes."""
        tasks = [task for task in (self._polling, self._refreshing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self, partitions: Collection[int] = keys.PARTITIONS) -> None:
        """Load the shops of these partitions again, whatever their revision: another server may answer.

        Raises redis' errors if one of them cannot be read.
        """
        for number in partitions:
            self._revisions.pop(number, None)
        await self._load_changed()
        if not self._unread.isdisjoint(partitions):
            raise RedisConnectionError("the server of these shops is away again")

    def require_read(self, org: str) -> None:
        """Raises StoreUnavailable if the last check could not read the server that has this shop, or would have it.

        Without an org it may be a shop of any server.
        """
        if self._unread and (not org or keys.partition_of(org) in self._unread):
            raise StoreUnavailable(Sentence("the shops cannot be read"))

    async def refresh(self) -> None:
        """Check for changes because a shop is unknown or a signature is wrong, at most once a second.

        Raises StoreUnavailable if Redis does not answer, or is not yet known to be durable. If one of several servers does
        not answer, `require_read` says so.
        """
        if self._polling is None:
            raise StoreUnavailable(Sentence("Redis is not known to be durable yet"))
        if self._refreshing is None and self._clock() - self._checked_at < MIN_REFRESH_INTERVAL_S:
            return
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._load_changed())
            self._refreshing.add_done_callback(self._finish)
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.shield(self._refreshing)
        except (RedisError, OSError) as exc:  # a timeout is an OSError
            raise StoreUnavailable(Sentence("the shops cannot be read")) from exc

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not task.cancelled():
            task.exception()  # marks it as retrieved: the waiters raise it, and without waiters the cache stays as it is

    async def _poll(self) -> None:
        while True:
            try:
                await self.refresh()
            except StoreUnavailable:
                pass  # the cached shops stay in use
            except Exception:  # noqa: BLE001  # outermost loop: without it a revoked secret would stay valid for ever
                structlog.get_logger().exception("shop_cache_error")
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _load_changed(self) -> None:
        revisions = (
            await self._repository.revisions()
        )  # read before the shops: a later change raises them again
        changed = {
            number for number, revision in revisions.items() if revision != self._revisions.get(number)
        }
        if changed:
            loaded = await self._repository.webhook_credentials(changed)
            self._partitions |= loaded
            self._revisions |= {number: revisions[number] for number in loaded}
            self._rebuild()
        self._unread = frozenset(keys.PARTITIONS) - (revisions.keys() & self._revisions.keys())
        self._checked_at = self._clock()

    def _rebuild(self) -> None:
        shops: dict[str, WebhookShop] = {}
        orgs: dict[str, str] = {}
        for shop in (shop for partition in self._partitions.values() for shop in partition):
            own = (shop.secret.encode(),) if shop.secret else ()
            shops[shop.org] = WebhookShop(shop.org, (*self.app_secrets, *own))
            orgs[shop.domain] = shop.org
        self._shops, self._orgs = shops, orgs
