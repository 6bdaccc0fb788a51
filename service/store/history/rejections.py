"""Rejected webhooks of all processes: counts by minute, and for each shop the current streak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys


async def add_counts(redis: RedisClient, counts: Mapping[tuple[int, str, str], int]) -> None:
    """Add counts by minute, org (`-` if unknown) and reason."""
    async with redis.pipeline(transaction=False) as pipe:
        for (minute, org, reason), number in counts.items():
            key = keys.partition_key(org, f"rejected:{minute}")
            pipe.hincrby(key, f"{org}:{reason}", number)
            pipe.expire(key, keys.DAY_S)
        await pipe.execute()


async def consecutive_failures(
    redis: RedisClient, org: OrgId, *, batch: str, ages_ms: Sequence[int], limit: int
) -> int:
    """Record rejections of a shop, and count those since its last accepted webhook, up to `limit`.

    `batch` must be unique for each call of each process. The streak expires after a day.
    """
    streak = keys.shop(org, "rejection_streak")
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.xrevrange(keys.shop(org, "deliveries"), count=1)
        (seconds, micros), last = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    async with redis.pipeline() as pipe:
        pipe.zadd(streak, {f"{batch}:{now_ms}:{index}": now_ms - age for index, age in enumerate(ages_ms)})
        if last:  # the id of an accepted webhook's record has its time, so accepting costs nothing extra
            pipe.zremrangebyscore(streak, "-inf", int(last[0][0].partition(b"-")[0]))
        pipe.zremrangebyrank(streak, 0, -1 - limit)
        pipe.expire(streak, keys.DAY_S)
        pipe.zcard(streak)
        *_, count = await pipe.execute()
    return int(count)
