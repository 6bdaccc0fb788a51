"""The workers' counters: added up in each process, stored in one hash, read by the web process for /metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from service.store import keys

BEAT: Final = "beat"  # the field that says when a worker last stored its counts


@dataclass(frozen=True, slots=True)
class Count:
    """One counter as stored."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Counters:
    """Buffered increments. A field is `name|label=value|…`; a count that was not stored waits for the next time.

    Labels are names of ours (a rule, an outcome, an endpoint), never a customer: their number must stay small.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._clock = clock
        self._waiting: Counter[str] = Counter()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Count something; costs no round trip."""
        self._waiting[field(name, labels)] += value  # type: ignore[assignment]  # seconds are counted too

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add an observation to a summary: its sum and its count."""
        self.add(f"{name}_sum", value, **labels)
        self.add(f"{name}_count", **labels)

    async def flush(self) -> None:
        """Store what was counted, and that this process lives. Raises redis' errors; nothing is lost then."""
        counts, self._waiting = self._waiting, Counter()
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                for name, value in counts.items():
                    pipe.hincrbyfloat(keys.COUNTERS, name, value)
                pipe.hset(keys.COUNTERS, BEAT, int(self._clock() * 1000))
                await pipe.execute()
        except BaseException:
            self._waiting.update(counts)
            raise


async def read(redis: Redis) -> list[Count]:
    """Every counter of all workers since the store began."""
    client: Any = redis
    stored: dict[bytes, bytes] = await client.hgetall(keys.COUNTERS)
    return [_count(name.decode(), value) for name, value in stored.items() if name != BEAT.encode()]


async def last_beat_ms(redis: Redis) -> int | None:
    """When a worker last stored its counts, None when none ever did."""
    client: Any = redis
    stored = await client.hget(keys.COUNTERS, BEAT)
    return int(stored) if stored else None


def field(name: str, labels: dict[str, str]) -> str:
    """The hash field of a counter; a label's text cannot break out of its place."""
    parts = [f"{key}={labels[key].replace('|', ' ')}" for key in sorted(labels)]
    return "|".join((name, *parts))


def _count(stored: str, value: bytes) -> Count:
    name, *parts = stored.split("|")
    labels = tuple((key, text) for key, _, text in (part.partition("=") for part in parts))
    return Count(name, labels, float(value))
