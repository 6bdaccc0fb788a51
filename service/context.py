"""What every use case works with: the store's client, the repositories, and the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from arq.connections import ArqRedis

from service.store.rules import Versions
from service.store.shops import ShopRepository


@dataclass(frozen=True, slots=True)
class Context:
    """Built once in each process. `clock_ms` is the clock of a simulation; 0 stands for the server's own time."""

    redis: ArqRedis
    shops: ShopRepository
    versions: Versions
    clock_ms: Callable[[], int] = lambda: 0

    async def now_ms(self) -> int:
        """The server's time, or the simulation's."""
        if given := self.clock_ms():
            return given
        seconds, micros = await cast("Any", self.redis).time()
        return int(seconds) * 1000 + int(micros) // 1000
