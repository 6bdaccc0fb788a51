"""The nightly reconcile of a shop: its last completed run, and the lock of the current one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.lock import Lock

from service.domain.customers import OrgId
from service.store import keys

LOCK_S: Final = 120  # reacquired before each request; a dead worker is replaced after this


@dataclass(frozen=True, slots=True)
class Night:
    """The last completed run."""

    day: int  # ordinal, in the shop's zone
    looked_ms: int  # its start: the next run reads what changed since then
    subscribed: bool  # whether the shop was subscribed to our webhooks then


async def last(redis: Redis, org: OrgId) -> Night | None:
    """The last completed run, None for a new shop."""
    client: Any = redis
    day, looked, subscribed = await client.hmget(keys.shop(org, "night"), "day", "looked_ms", "subscribed")
    return None if day is None else Night(int(day), int(looked), subscribed == b"1")


async def done(redis: Redis, org: OrgId, night: Night) -> None:
    """Store a completed run."""
    client: Any = redis
    fields = {"day": night.day, "looked_ms": night.looked_ms, "subscribed": int(night.subscribed)}
    await client.hset(keys.shop(org, "night"), mapping=fields)


def lock(redis: Redis, org: OrgId) -> Lock:
    """The lock of a shop's nightly run over all workers. It expires unless the holder reacquires it."""
    return Lock(redis, keys.shop(org, "nightly:lock"), timeout=LOCK_S, blocking=False, thread_local=False)
