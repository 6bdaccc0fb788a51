"""A shop's night: which one was last done, who is at it, and what the next one has to know."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from service.domain.customers import OrgId
from service.store.client import keys

LOCK_TIMEOUT_S: Final = 120  # renewed before each call; after a death another worker follows after this


@dataclass(frozen=True, slots=True)
class NightlyRun:
    """The last night that was done to its end."""

    day: int  # ordinal, in the shop's zone
    looked_ms: int  # when it began: what changed since is the next one's
    subscribed: bool  # Haravan sent us the shop's webhooks then


async def last_run(redis: Redis, org: OrgId) -> NightlyRun | None:
    """The last night, None for a shop that had none yet."""
    client: Any = redis
    day, looked, subscribed = await client.hmget(keys.shop(org, "nightly"), "day", "looked_ms", "subscribed")
    return None if day is None else NightlyRun(int(day), int(looked), subscribed == b"1")


async def save_run(redis: Redis, org: OrgId, run: NightlyRun) -> None:
    """Remember a night that was done."""
    client: Any = redis
    fields = {"day": run.day, "looked_ms": run.looked_ms, "subscribed": int(run.subscribed)}
    await client.hset(keys.shop(org, "nightly"), mapping=fields)


async def acquire(redis: Redis, org: OrgId) -> Lock | None:
    """The lock of the shop's night, over all workers; None where another worker has it."""
    lock = Lock(
        redis, keys.shop(org, "nightly:lock"), timeout=LOCK_TIMEOUT_S, blocking=False, thread_local=False
    )
    return lock if await lock.acquire() else None


async def renew(lock: Lock, *, for_s: int = LOCK_TIMEOUT_S) -> bool:
    """Keep the lock for so long from now on; False when another worker has it."""
    try:
        return bool(await lock.extend(for_s, replace_ttl=True))
    except LockError:
        return False


async def release(lock: Lock) -> None:
    """Give the lock back, unless another worker has it."""
    with suppress(LockError):
        await lock.release()
