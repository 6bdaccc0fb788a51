"""Each partition is taken by one of the workers, once in an interval."""

from __future__ import annotations

import asyncio

from service.store.client import RedisClient, keys
from service.store.jobs import turns


async def take(redis: RedisClient, work: str, *, interval_s: float = 600, at_most: int = 64) -> list[int]:
    taken: list[int] = []
    async for number in turns(redis, work, interval_s=interval_s):
        taken.append(number)
        await asyncio.sleep(0)
        if len(taken) == at_most:
            break
    return taken


async def test_workers_share_the_partitions(redis: RedisClient) -> None:
    first, second = await asyncio.gather(take(redis, "nightly"), take(redis, "nightly"))

    assert sorted(first + second) == list(keys.PARTITIONS)
    assert first
    assert second


async def test_a_partition_is_taken_again_after_the_interval_and_for_other_work(redis: RedisClient) -> None:
    assert len(await take(redis, "nightly")) == 64
    assert await take(redis, "nightly") == []
    assert len(await take(redis, "uninstalls", interval_s=0.001)) == 64

    await asyncio.sleep(0.05)

    assert len(await take(redis, "uninstalls")) == 64


async def test_what_one_worker_did_not_come_to_is_left_to_the_others(redis: RedisClient) -> None:
    first = await take(redis, "nightly", at_most=10)

    assert sorted([*first, *await take(redis, "nightly")]) == list(keys.PARTITIONS)
