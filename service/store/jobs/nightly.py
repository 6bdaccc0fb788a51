"""The nightly reconcile of a shop: its lock, what the next one needs to know of the last, and further requests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys

LOCK_TIMEOUT_S: Final = 120  # renewed before each call; when a worker dies, another goes on after this time
RUN_FIELDS: Final = ("day", "looked_ms", "subscribed")


@dataclass(frozen=True, slots=True)
class NightlyRun:
    """The last complete nightly reconcile."""

    day: int  # ordinal, in the shop's time zone
    looked_ms: int  # when it began; the next one reads what changed since
    subscribed: bool  # whether the webhook subscription existed then


async def last_run(redis: RedisClient, org: OrgId) -> NightlyRun | None:
    """The last complete nightly reconcile. None before the first."""
    return decode_run(await redis.hmget(keys.shop(org, "nightly"), *RUN_FIELDS))


def decode_run(values: Sequence[bytes | None]) -> NightlyRun | None:
    """The last complete nightly reconcile from the values of `RUN_FIELDS`."""
    day, looked, subscribed = values
    if day is None or looked is None:
        return None
    return NightlyRun(int(day), int(looked), subscribed == b"1")


async def save_run(redis: RedisClient, org: OrgId, run: NightlyRun) -> None:
    """Save a complete nightly reconcile."""
    fields = {"day": run.day, "looked_ms": run.looked_ms, "subscribed": int(run.subscribed)}
    await redis.hset(keys.shop(org, "nightly"), mapping=fields)


async def request_reconciles(redis: RedisClient, orgs: Sequence[OrgId], *, since_ms: int) -> None:
    """Request a reconcile of each shop, in addition to the nightly one. A worker begins within a minute."""
    async with redis.pipeline(transaction=False) as pipe:
        for org in orgs:
            pipe.sadd(keys.shop(org, "reconcile_requests"), since_ms)
        await pipe.execute()


async def load_requests(redis: RedisClient, org: OrgId) -> list[int]:
    """The requested reconciles: the times in ms since which customers are to be read."""
    return [int(since_ms) for since_ms in await redis.smembers(keys.shop(org, "reconcile_requests"))]


async def close_requests(redis: RedisClient, org: OrgId, requests: Sequence[int]) -> None:
    """Delete requests that were executed. Others may have been added meanwhile, and stay."""
    await redis.srem(keys.shop(org, "reconcile_requests"), *requests)


async def acquire(redis: RedisClient, org: OrgId) -> Lock | None:
    """The lock of the shop's nightly reconcile. None if another worker holds it."""
    lock = Lock(
        redis, keys.shop(org, "nightly:lock"), timeout=LOCK_TIMEOUT_S, blocking=False, thread_local=False
    )
    return lock if await lock.acquire() else None


async def renew(lock: Lock, *, for_s: int = LOCK_TIMEOUT_S) -> bool:
    """Hold the lock for `for_s` from now on. False if another worker holds it."""
    try:
        return bool(await lock.extend(for_s, replace_ttl=True))
    except LockError:
        return False


async def release(lock: Lock) -> None:
    """Release the lock, unless another worker holds it."""
    with suppress(LockError):
        await lock.release()
