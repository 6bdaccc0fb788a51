"""The rate limiter of each shop: grants API calls and learns the bucket's level from the responses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NewType

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys, load_script, server_time_ms
from service.store.queue.dirty import Lane

Permit = NewType("Permit", str)  # opaque; for one call, expires after 15 s

LEAK_PER_S: Final = 4.0
BUCKET_SIZE: Final = 80
NOT_SENT: Final = -1  # status of a permit that was not used
NO_RESPONSE: Final = 0  # status of a call without a response
LEVEL_FIELDS: Final = ["level", "at", "size"]  # of the stored state


@dataclass(frozen=True, slots=True)
class Granted:
    """One call may be made. It must be reported."""

    permit: Permit


@dataclass(frozen=True, slots=True)
class Denied:
    """Ask again after `wait_s`. Reasons: `full`, `live first`, `probing`, `blocked` (a 429) and `no room`."""

    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Usage:
    """The estimated level of a shop's bucket. Calls in flight are not part of `level`."""

    level: float
    size: int
    in_flight: int
    blocked_s: float


class RateLimiter:
    """The rate limiters of all shops. The algorithm is in queue/lua/_rate_limiter.lua.

    `clock_ms` is the clock of a simulation; 0 stands for the server's own time.
    """

    def __init__(
        self, redis: RedisClient, *, leak_per_s: float = LEAK_PER_S, clock_ms: Callable[[], int] = lambda: 0
    ) -> None:
        self._redis = redis
        self.leak_per_s = leak_per_s
        self._clock_ms = clock_ms

    async def acquire(self, org: OrgId, *, lane: Lane, reserve: int = 0) -> Granted | Denied:
        """Ask for one call. `reserve` calls of the bucket are left to the merchant's other apps.

        If a repeated command asks twice, the unused permit occupies the bucket for 15 s.
        """
        acquire = load_script("queue", "rate_limiter_acquire")
        granted, permit, wait_ms, reason = await acquire(
            self._redis, org, self._clock_ms(), lane, *self.script_args(reserve)
        )
        if granted:
            return Granted(Permit(permit.decode()))
        return Denied(wait_ms / 1000, reason.decode())

    def script_args(self, reserve: int = 0) -> list[float]:
        """The arguments of `rate_limit_acquire`, for scripts that call it."""
        return [self.leak_per_s, reserve]

    async def report(
        self,
        org: OrgId,
        grant: Granted,
        *,
        status: int | None,
        used: int | None = None,
        size: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Report the response to a granted call.

        `status` None: there was no response, and the call counts as spent. `NOT_SENT`: the call was not made. A second
        report has no effect.
        """
        await load_script("queue", "rate_limiter_report")(
            self._redis,
            org,
            self._clock_ms(),
            self.leak_per_s,
            grant.permit,
            NO_RESPONSE if status is None else status,
            -1 if used is None else used,
            -1 if size is None else size,
            math.ceil((retry_after_s or 0) * 1000),
        )

    async def usage(self, org: OrgId) -> Usage:
        """The usage now. Writes nothing."""
        now = self._clock_ms() or await server_time_ms(self._redis, org)
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.hmget(keys.shop(org, "rate_limit"), LEVEL_FIELDS)
            pipe.hget(keys.shop(org, "rate_limit"), "blocked_until")
            pipe.zcount(keys.shop(org, "in_flight"), f"({now}", "+inf")
            stored, blocked_until, in_flight = await pipe.execute()
        level, size = level_now(stored, now_ms=now, leak_per_s=self.leak_per_s)
        blocked_s = max(0.0, float(blocked_until or 0) - now) / 1000
        return Usage(level=level, size=size, in_flight=in_flight, blocked_s=blocked_s)


def level_now(
    stored: Sequence[bytes | None], *, now_ms: int, leak_per_s: float = LEAK_PER_S
) -> tuple[float, int]:
    """The level at `now_ms` and the size, from the stored values of `LEVEL_FIELDS`."""
    level, at, size = (float(value or 0) for value in stored)
    return max(0.0, level - leak_per_s * max(0.0, now_ms - at) / 1000), int(size) or BUCKET_SIZE
