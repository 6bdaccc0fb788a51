"""Counters of the workers: summed in each process, stored in Redis, and read by the web process for /metrics."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.store.client import RedisClient, keys, load_partitions

HEARTBEAT: Final = "heartbeat"  # the field that says when a worker last stored its counts


@dataclass(frozen=True, slots=True)
class Count:
    """One counter as stored."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Counters:
    """Counters that are summed in memory until `flush` stores them.

    Each process stores its counts in a random partition, which spreads them over the servers of a cluster. Labels are
    names such as an outcome or an endpoint, never a customer, because each combination takes a field.
    """

    def __init__(self, redis: RedisClient, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._key = keys.of_partition(secrets.choice(keys.PARTITIONS), "counters")
        self._unsaved: Counter[str] = Counter()

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Add to a counter, in memory."""
        self._unsaved[_field(name, labels)] += value  # type: ignore[assignment]  # seconds are counted too

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add an observation to the sum and the count of a summary, in memory."""
        self.add(f"{name}_sum", value, **labels)
        self.add(f"{name}_count", 1, **labels)

    async def flush(self) -> None:
        """Store the counts and a heartbeat. Raises redis' errors; the counts are kept for the next flush then.

        The next flush uses another partition, whose server may answer.
        """
        counts, self._unsaved = self._unsaved, Counter()
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                for name, value in counts.items():
                    pipe.hincrbyfloat(self._key, name, value)
                pipe.hset(self._key, HEARTBEAT, int(self._clock() * 1000))
                await pipe.execute()
        except BaseException:
            self._unsaved.update(counts)
            self._key = keys.of_partition(secrets.choice(keys.PARTITIONS), "counters")
            raise


async def load_counts(redis: RedisClient) -> list[Count]:
    """Every counter, summed over all workers and all time."""
    partitions: dict[int, dict[bytes, bytes]] = await load_partitions(
        redis, lambda pipe, number: pipe.hgetall(keys.of_partition(number, "counters"))
    )
    sums: Counter[bytes] = Counter()
    for partition in partitions.values():
        for name, value in partition.items():
            sums[name] += float(value)  # type: ignore[assignment]  # seconds are counted too
    del sums[HEARTBEAT.encode()]
    return [_decode(name.decode(), value) for name, value in sums.items()]


async def last_heartbeat_ms(redis: RedisClient) -> int | None:
    """When a worker last stored its counts. None before the first time."""
    heartbeats = await load_partitions(
        redis, lambda pipe, number: pipe.hget(keys.of_partition(number, "counters"), HEARTBEAT)
    )
    return max((int(value) for value in heartbeats.values() if value), default=None)


def _field(name: str, labels: dict[str, str]) -> str:
    """The hash field of a counter: `name|label=value|…`."""
    parts = [f"{label}={labels[label].replace('|', ' ')}" for label in sorted(labels)]
    return "|".join((name, *parts))


def _decode(stored_field: str, value: float) -> Count:
    name, *parts = stored_field.split("|")
    labels = tuple((label, text) for label, _, text in (part.partition("=") for part in parts))
    return Count(name, labels, value)
