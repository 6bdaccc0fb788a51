"""Much data: large keys in pages, because a long command blocks the server for everybody; and all partitions at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import Any, Final, TypeVar

from redis.exceptions import RedisError

from service.store.client import keys
from service.store.client.connection import RedisClient
from service.store.servers import is_temporary

SCAN_COUNT: Final = 500  # fields or keys; takes 0.4 ms, in which webhooks wait for their writes
SKIP_S: Final = 0.4  # after which a server that is away is left out
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


async def load_partitions(
    redis: RedisClient,
    add: Callable[[Any, int], object],
    *,
    numbers: Collection[int] = keys.PARTITIONS,
) -> dict[int, Any]:
    """The reply to one command for each partition, by its number. `add` adds the command to a pipeline.

    Those of a server that is away are left out. Raises the first error if no server answers, and any other error.
    """
    ordered = sorted(numbers)
    async with redis.pipeline(transaction=False) as pipe:
        for number in ordered:
            add(pipe, number)
        replies = await pipe.execute(raise_on_error=False, patience_s=SKIP_S)
    return dict(without_away(ordered, replies))


def without_away(items: Sequence[T], replies: Sequence[Any]) -> list[tuple[T, Any]]:
    """Each item with its reply, without the errors of servers that are away.

    Raises the first error if no server answered, and any other error.
    """
    loaded: list[tuple[T, Any]] = []
    away: list[RedisError] = []
    for item, reply in zip(items, replies, strict=True):
        if not isinstance(reply, RedisError):
            loaded.append((item, reply))
        elif is_temporary(reply):
            away.append(reply)
        else:
            raise reply
    if away and not loaded:
        raise away[0]
    return loaded


def batched(items: Sequence[T], size: int = BATCH_SIZE) -> Iterator[Sequence[T]]:
    """The items in order, in batches of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
