"""Large keys in pages: a command over all customers of a shop would block the server for everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, TypeVar

from service.store.client.connection import RedisClient

SCAN_COUNT: Final = 500  # fields or keys; takes 0.4 ms, in which webhooks wait for their writes
BATCH_SIZE: Final = 1_000  # customers in one command

T = TypeVar("T")


async def scan_hash(redis: RedisClient, key: str) -> AsyncIterator[dict[bytes, bytes]]:
    """The fields and values of a hash, in pages. A field may come twice; one that is added meanwhile may be missed."""
    cursor: int = 0
    while True:
        cursor, page = await redis.hscan(key, cursor, count=SCAN_COUNT)
        yield page
        if not cursor:
            return


def batched(items: Sequence[T], size: int = BATCH_SIZE) -> Iterator[Sequence[T]]:
    """The items in order, in batches of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
