"""The workers' counters: added up in each process, stored in one hash, read by the web process for /metrics."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from service.store.client import keys

HEARTBEAT: Final = "heartbeat"  # the field that says when a worker last stored its counts


@dataclass(frozen=True, slots=True)
class Count:
    """One counter as stored."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Counters:
    """Buffered increments. A field is `name|label=value|…`; a count that was not stored waits for the next time.

    Each process counts in a partition of its own choice, so that no server of a cluster has all the counting.
    Labels are names of ours (a rule, an outcome, an endpoint), never a customer: their number must stay small.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._clock = clock
        self._key = keys.of_partition(secrets.choice(keys.PARTITIONS), "counters")
        self._unsaved: Counter[str] = Counter()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Count something; costs no round trip."""
        self._unsaved[field(name, labels)] += value  # type: ignore[assignment]  # seconds are counted too

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add an observation to a summary: its sum and its count."""
        self.add(f"{name}_sum", value, **labels)
        self.add(f"{name}_count", 1, **labels)

    async def flush(self) -> None:
        """Store what was counted, and that this process lives. Raises redis' errors; nothing is lost then."""
        counts, self._unsaved = self._unsaved, Counter()
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                for name, value in counts.items():
                    pipe.hincrbyfloat(self._key, name, value)
                pipe.hset(self._key, HEARTBEAT, int(self._clock() * 1000))
                await pipe.execute()
        except BaseException:
            self._unsaved.update(counts)
            raise


async def load_counts(redis: Redis) -> list[Count]:
    """Every counter of all workers since the store began."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("counters"):
            pipe.hgetall(key)
        parts: list[dict[bytes, bytes]] = await pipe.execute()
    sums: Counter[bytes] = Counter()
    for part in parts:
        for name, value in part.items():
            sums[name] += float(value)  # type: ignore[assignment]  # seconds are counted too
    del sums[HEARTBEAT.encode()]
    return [_count(name.decode(), value) for name, value in sums.items()]


async def last_heartbeat_ms(redis: Redis) -> int | None:
    """When a worker last stored its counts, None when none ever did."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("counters"):
            pipe.hget(key, HEARTBEAT)
        beats = [int(each) for each in await pipe.execute() if each]
    return max(beats, default=None)


def field(name: str, labels: dict[str, str]) -> str:
    """The hash field of a counter; a label's text cannot break out of its place."""
    parts = [f"{key}={labels[key].replace('|', ' ')}" for key in sorted(labels)]
    return "|".join((name, *parts))


def _count(stored: str, value: float) -> Count:
    name, *parts = stored.split("|")
    labels = tuple((key, text) for key, _, text in (part.partition("=") for part in parts))
    return Count(name, labels, value)
