"""Counters of all workers, kept in Redis so that the web process can show them at /metrics."""

from __future__ import annotations

from collections import Counter

from redis.asyncio import Redis

from service.store import keys


class Counters:
    """Adds up in memory and is flushed each second: what a killed worker had not flushed is lost, and only that."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pending: Counter[str] = Counter()

    def add(self, name: str, value: float = 1, /, **labels: str) -> None:
        """Raise the counter `name|label=value|…` (labels in the order of their names)."""
        field = "|".join([name, *(f"{label}={labels[label]}" for label in sorted(labels))])
        self._pending[field] += value  # type: ignore[assignment]  # counters of seconds have fractions

    async def flush(self) -> None:
        """Write what was added; when Redis is away it is kept for the next time."""
        pending, self._pending = self._pending, Counter()
        if not pending:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for field, value in pending.items():
                    pipe.hincrbyfloat(keys.COUNTERS, field, value)
                await pipe.execute()
        except BaseException:
            self._pending.update(pending)
            raise


async def read(redis: Redis) -> dict[str, float]:
    """Every counter of all workers, by its field."""
    stored = await redis.hgetall(keys.COUNTERS)
    return {field.decode(): float(value) for field, value in stored.items()}
