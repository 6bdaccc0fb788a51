"""When the last backup was made, and how often one is meant to be made."""

from __future__ import annotations

from typing import Final, NamedTuple

from service.store.client import SERVICE, RedisClient, keys

KEY: Final = keys.shop(SERVICE, "backup")
FIELDS: Final = ("at_ms", "every_h")


class BackupStatus(NamedTuple):
    """The last complete backup."""

    at_ms: int  # when it began
    every_h: int  # hours until the next one is due; 0 = it was not part of a schedule


async def save(redis: RedisClient, status: BackupStatus) -> None:
    """Save that a backup is complete. One that was made by hand leaves the schedule as it is."""
    fields = {"at_ms": status.at_ms} | ({"every_h": status.every_h} if status.every_h else {})
    await redis.hset(KEY, mapping=fields)


async def load(redis: RedisClient) -> BackupStatus | None:
    """The last complete backup. None before the first."""
    at_ms, every_h = await redis.hmget(KEY, FIELDS)
    return None if at_ms is None else BackupStatus(int(at_ms), int(every_h or 0))
