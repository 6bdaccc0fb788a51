"""Whether the generation of a shop goes back, once a replica has confirmed it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.exceptions import RedisError

from service.store.client import keys
from service.store.servers.connection import Connection, pack_command

INTERVAL_S: Final = 0.1  # in which each shop is looked at
CONFIRM_MS: Final = 200


class GenerationWatch:
    """Reads generations. What only a primary has, a failover may lose, so a replica must confirm a write that follows.

    `connect` opens a connection to the primary of a shop. It raises redis' errors, OSError or LookupError while there is none.
    """

    def __init__(self, connect: Callable[[str], Awaitable[Connection]], *, replicas: int = 1) -> None:
        self.confirmed = 0  # generations that were read and confirmed
        self.went_back: list[str] = []
        self._connect = connect
        self._replicas = replicas
        self._highest: dict[str, int] = {}

    async def run(self, orgs: Sequence[str]) -> None:
        """Look at these shops until the task is cancelled."""
        while True:
            for org in orgs:
                await asyncio.sleep(INTERVAL_S / len(orgs))
                try:
                    await self.look(org)
                except (RedisError, OSError, LookupError):
                    continue  # a fault keeps the server away at the moment

    async def look(self, org: str) -> None:
        """Look at one shop. Raises what `connect` raises."""
        connection = await self._connect(org)
        try:
            generation, written, confirmed = await connection.send_batch(
                [
                    pack_command("GET", keys.shop(org, "generation_seq")),
                    pack_command("INCR", keys.shop(org, "chaos")),
                    pack_command("WAIT", self._replicas, CONFIRM_MS),
                ]
            )
        finally:
            connection.close()
        if any(isinstance(reply, Exception) for reply in (generation, written, confirmed)):
            return
        if confirmed < self._replicas:
            return
        self.confirmed += 1
        highest, now = self._highest.get(org, 0), int(generation or 0)
        if now < highest:
            self.went_back.append(f"{org} went from {highest} to {now}")
        self._highest[org] = max(now, highest)
