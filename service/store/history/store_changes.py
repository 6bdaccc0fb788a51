"""Changes of the store in the last week: when another server answered, or the data was lost, and what was done.

They are kept in the store that answered then, so that the doctor can still say it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from service.store.client import RedisClient, keys, load_partitions

KEPT_S: Final = 7 * keys.DAY_S
SLOT_MS: Final = 5 * 60_000  # several processes notice the same change: within this time it is saved once

LossKind = Literal["rewound", "emptied"]


class StoreLoss(msgspec.Struct, frozen=True):
    """The store lost data, or may have lost the latest writes. Customers that changed since `since_ms` were read again."""

    kind: LossKind
    at_ms: int
    since_ms: int
    shops: int  # that the store had afterwards


async def save(redis: RedisClient, loss: StoreLoss, *, partition: int) -> None:
    """Save a loss in a partition of the server that had it, unless another process has saved the same one."""
    key = keys.of_partition(partition, "store_losses")
    async with redis.pipeline() as pipe:
        pipe.hsetnx(key, f"{loss.kind}:{loss.at_ms // SLOT_MS}", msgspec.json.encode(loss))
        pipe.expire(key, KEPT_S)
        await pipe.execute()


async def load_recent(redis: RedisClient, *, now_ms: int) -> list[StoreLoss]:
    """The losses of the last week of all servers that answer, oldest first."""
    partitions: dict[int, list[bytes]] = await load_partitions(
        redis, lambda pipe, number: pipe.hvals(keys.of_partition(number, "store_losses"))
    )
    stored = (each for partition in partitions.values() for each in partition)
    losses = [msgspec.json.decode(each, type=StoreLoss) for each in stored]
    recent = [loss for loss in losses if now_ms - loss.at_ms < KEPT_S * 1000]
    return sorted(recent, key=lambda loss: (loss.at_ms, loss.kind))
