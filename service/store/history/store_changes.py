"""Changes of the store in the last week: when another server answered, or the data was lost, and what was done.

They are kept in the store that answered then, so that the doctor can still say it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from service.store.client import RedisClient, keys

KEPT_S: Final = 7 * keys.DAY_S
SLOT_MS: Final = 5 * 60_000  # several processes notice the same change: within this time it is saved once

LossKind = Literal["rewound", "emptied"]


class StoreLoss(msgspec.Struct, frozen=True):
    """The store lost data, or may have lost the latest writes. Customers that changed since `since_ms` were read again."""

    kind: LossKind
    at_ms: int
    since_ms: int
    shops: int  # that the store had afterwards


async def save(redis: RedisClient, loss: StoreLoss) -> None:
    """Save a loss, unless another process has saved the same one."""
    key = keys.of_partition(0, "store_losses")
    async with redis.pipeline() as pipe:
        pipe.hsetnx(key, f"{loss.kind}:{loss.at_ms // SLOT_MS}", msgspec.json.encode(loss))
        pipe.expire(key, KEPT_S)
        await pipe.execute()


async def load_recent(redis: RedisClient, *, now_ms: int) -> list[StoreLoss]:
    """The losses of the last week, oldest first."""
    stored = await redis.hvals(keys.of_partition(0, "store_losses"))
    losses = (msgspec.json.decode(each, type=StoreLoss) for each in stored)
    recent = [loss for loss in losses if now_ms - loss.at_ms < KEPT_S * 1000]
    return sorted(recent, key=lambda loss: loss.at_ms)
