"""What grows with a shop's customers is never asked for in one piece: the store would keep everybody waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, TypeVar

from redis.asyncio import Redis

SCAN_COUNT: Final = 500  # fields or keys; 0.4 ms of the store, and webhooks wait for their writes meanwhile
BATCH_SIZE: Final = 1_000  # customers in one command

T = TypeVar("T")


async def scan_hash(redis: Redis, key: str) -> AsyncIterator[dict[bytes, bytes]]:
    """Every field and value that a hash has all the while, step by step; one may be shown twice."""
    client: Any = redis
    cursor: int = 0
    while True:
        cursor, step = await client.hscan(key, cursor, count=SCAN_COUNT)
        yield step
        if not cursor:
            return


def batched(items: Sequence[T], size: int = BATCH_SIZE) -> Iterator[Sequence[T]]:
    """All items in their order, at most so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
