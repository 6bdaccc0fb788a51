"""A shop's night: which one was last done, who is at it, and what the next one has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from service.domain.customers import OrgId
from service.store import keys

CLAIM_S: Final = 120  # renewed before each call; whoever died is followed after this


@dataclass(frozen=True, slots=True)
class Night:
    """The last night that was done to its end."""

    day: int  # ordinal, in the shop's zone
    looked_ms: int  # when it began: what changed since is the next one's
    subscribed: bool  # Haravan sent us the shop's webhooks then


async def last(redis: Redis, org: OrgId) -> Night | None:
    """The last night, None for a shop that had none yet."""
    client: Any = redis
    day, looked, subscribed = await client.hmget(keys.shop(org, "nightly"), "day", "looked_ms", "subscribed")
    return None if day is None else Night(int(day), int(looked), subscribed == b"1")


async def done(redis: Redis, org: OrgId, night: Night) -> None:
    """Remember a night that was done."""
    client: Any = redis
    fields = {"day": night.day, "looked_ms": night.looked_ms, "subscribed": int(night.subscribed)}
    await client.hset(keys.shop(org, "nightly"), mapping=fields)


async def claim(redis: Redis, org: OrgId, token: str) -> bool:
    """Whether this night is ours to do, over all workers."""
    return bool(await redis.set(keys.shop(org, "nightly:lock"), token, nx=True, ex=CLAIM_S))


async def renew(redis: Redis, org: OrgId, token: str, *, for_s: int = CLAIM_S) -> bool:
    """Keep the claim; False when it is ours no more."""
    client: Any = redis
    key = keys.shop(org, "nightly:lock")
    if await client.get(key) != token.encode():
        return False
    return bool(await client.expire(key, for_s))


async def release(redis: Redis, org: OrgId, token: str) -> None:
    """Give the claim back."""
    if await renew(redis, org, token):
        await redis.delete(keys.shop(org, "nightly:lock"))
