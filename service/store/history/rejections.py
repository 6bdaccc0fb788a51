"""Webhooks that were refused: counted by the minute, and for each shop those in a row, of all processes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from service.domain.customers import OrgId
from service.store.client import keys


async def add_counts(redis: Redis, counts: Mapping[tuple[int, str, str], int]) -> None:
    """Add to the minutes' counts: (minute, org or `-`, reason) -> how many."""
    client: Any = redis
    async with client.pipeline(transaction=False) as pipe:
        for (minute, org, reason), number in counts.items():
            key = keys.partition_key(org, f"rejected:{minute}")
            pipe.hincrby(key, f"{org}:{reason}", number)
            pipe.expire(key, keys.DAY_S)
        await pipe.execute()


async def consecutive_failures(
    redis: Redis, org: OrgId, *, batch: str, ages_ms: Sequence[int], limit: int
) -> int:
    """Note refusals of a shop that we have; how many there are since its last webhook that was taken, at most `most`.

    `by` is another one for each call of each process. The row is one small key for each shop, forgotten after a day.
    """
    client: Any = redis
    row = keys.shop(org, "rejection_streak")
    async with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.xrevrange(keys.shop(org, "deliveries"), count=1)
        (seconds, micros), last = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    async with client.pipeline() as pipe:
        pipe.zadd(row, {f"{batch}:{now_ms}:{place}": now_ms - age for place, age in enumerate(ages_ms)})
        if last:  # an accepted webhook pays nothing for this: its record says when it arrived
            pipe.zremrangebyscore(row, "-inf", int(last[0][0].partition(b"-")[0]))
        pipe.zremrangebyrank(row, 0, -1 - limit)
        pipe.expire(row, keys.DAY_S)
        pipe.zcard(row)
        *_, count = await pipe.execute()
    return int(count)
