"""What every use case needs: the Redis client, the repositories, and the time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from service.settings import Settings
from service.store.client import RedisClient, server_time_ms
from service.store.rules import Versions
from service.store.shops import ShopRepository


async def _ignore(_: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Context:
    """Built once in each process. `clock_ms` is the clock of a simulation; 0 means the Redis server's time.

    `settings` are for the doctor, which compares them with what it finds, and for what DEVELOPMENT changes. All others get the
    values that they need.
    `on_read` gets the number of customers that an evaluation has read so far.
    """

    redis: RedisClient
    shops: ShopRepository
    versions: Versions
    clock_ms: Callable[[], int] = lambda: 0
    settings: Settings = field(default_factory=Settings)
    on_read: Callable[[int], Awaitable[None]] = _ignore

    async def now_ms(self) -> int:
        """The time of the Redis server, or of the simulation."""
        if simulated_ms := self.clock_ms():
            return simulated_ms
        return await server_time_ms(self.redis)
