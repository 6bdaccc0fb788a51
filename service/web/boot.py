"""What must be known of the store before a webhook may be acknowledged."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.errors import StoreAway, TaggerError
from service.seeding import seed_shop
from service.settings import Settings
from service.store.durability import Finding, examine, refuse
from service.store.shops import Shops

AGAIN_S: Final = 1.0
FIRST_WITHIN_S: Final = 3.0


class Boot:
    """Examines the server and seeds the environment's shop.

    A server that would not keep what it was given ends the start. When Redis is away at the start the process lives,
    answers 503, and goes on asking; a server that then turns out to be unfit keeps it at 503.
    """

    def __init__(
        self, redis: Redis, shops: Shops, settings: Settings, *, first_within_s: float = FIRST_WITHIN_S
    ) -> None:
        self._redis = redis
        self._shops = shops
        self._settings = settings
        self._first_within_s = first_within_s
        self.findings: list[Finding] = []
        self.fit = False
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask once; raises BadSettings when the server will not do. Goes on in the background when it is away."""
        try:
            async with asyncio.timeout(self._first_within_s):
                await self._ask()
        except (RedisError, OSError) as exc:  # a timeout is an OSError
            structlog.get_logger().error(
                "boot", outcome="store_away", cause=type(exc).__name__, again_in_s=AGAIN_S
            )
            self._asking = asyncio.create_task(self._ask_for_ever())

    async def stop(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def require(self) -> None:
        """Raises StoreAway until the server is known to be fit."""
        if not self.fit:
            raise StoreAway("the store has not been found fit yet")

    async def _ask_for_ever(self) -> None:
        while not self.fit:
            await asyncio.sleep(AGAIN_S)
            try:
                await self._ask()
            except (RedisError, OSError):
                continue
            except TaggerError as exc:
                structlog.get_logger().error("boot", outcome="refused", cause=str(exc))

    async def _ask(self) -> None:
        self.findings = await examine(self._redis, self._settings.durability)
        refuse(self.findings)
        await seed_shop(self._settings, self._shops)
        self.fit = True
        for finding in self.findings:
            structlog.get_logger().warning(
                "boot", outcome=finding.level, cause=finding.name, text=finding.text
            )
