"""What every operation stands on: the store, opened once for each process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import msgspec
from arq.connections import ArqRedis

from service.store.shops import Shops
from service.store.versions import Versions
from service.web.ops.models import Answer

A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, slots=True)
class Floor:
    """The store's doors."""

    redis: ArqRedis
    shops: Shops
    versions: Versions

    async def now_ms(self) -> int:
        """The store's time, as every process tells it."""
        seconds, micros = await cast("Any", self.redis).time()
        return int(seconds * 1000 + micros // 1000)


def line(value: object, kind: type[A]) -> A:
    """A value of the store as one of the API's types, which has the same names."""
    return msgspec.convert(value, kind, from_attributes=True)
