"""Turns: periodic work on all shops is shared among the workers, a partition at a time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Final

from redis.exceptions import OutOfMemoryError

from service.store.client import RedisClient, keys, load_partitions

SHARE: Final = 0.9  # of the interval: a worker may take the same partition again at its next pass


async def turns(redis: RedisClient, work: str, *, interval_s: float) -> AsyncIterator[int]:
    """Take the partitions whose turn it is, one after the other, in a random order.

    A partition is taken once in `interval_s`, by whichever process comes first. Those of a server that is away are left
    out. Raises redis' errors if no server answers, or if one goes away meanwhile.
    """
    taken = await load_partitions(redis, lambda pipe, number: pipe.exists(_key(number, work)))
    free = [number for number, is_taken in taken.items() if not is_taken]
    for number in random.sample(free, len(free)):
        try:
            if await redis.set(_key(number, work), 1, nx=True, px=max(1, int(SHARE * 1000 * interval_s))):
                yield number
        except OutOfMemoryError:
            yield number  # twice is better than never


def _key(number: int, work: str) -> str:
    return keys.of_partition(number, f"turn:{work}")
