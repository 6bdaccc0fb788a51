"""Pacing of API calls: the rate-limit headers of a response, and permits that wait for room."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from service.domain.customers import OrgId
from service.store.queue import Granted, Lane, Permit, RateLimiter
from workers.haravan.calls import Request, Response

MIN_WAIT_S: Final = 0.01
DEFAULT_RETRY_AFTER_S: Final = 2.0
MAX_RETRY_AFTER_S: Final = 60.0
_CALL_LIMIT: Final = re.compile(r"\s*(\d{1,5})(?:\.\d+)?\s*/\s*(\d{1,5})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """Usage of the shop's call limit and, after a 429, how long to wait. None if the response does not say."""

    used: int | None = None
    size: int | None = None
    retry_after_s: float | None = None


def parse_rate_limit(response: Response) -> RateLimitHeaders:
    """Parse `X-Haravan-Api-Call-Limit: 32/80` and, for a 429, `Retry-After: 2.0` (haravan.md, API)."""
    match = _CALL_LIMIT.fullmatch(response.headers.get("X-Haravan-Api-Call-Limit", ""))
    used, size = (int(match[1]), int(match[2])) if match else (None, None)
    return RateLimitHeaders(
        used=used,
        size=size,
        retry_after_s=parse_retry_after(response.headers) if response.status == 429 else None,
    )


def parse_retry_after(headers: Mapping[str, str]) -> float:
    """The seconds of `Retry-After`, at most 60; 2 s if the header is missing or makes no sense."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return DEFAULT_RETRY_AFTER_S
    if not math.isfinite(seconds) or seconds <= 0:
        return DEFAULT_RETRY_AFTER_S
    return min(seconds, MAX_RETRY_AFTER_S)


class RateLimitExceeded(Exception):
    """The call was not started because the rate limit leaves no room. Retry after `wait_s` seconds."""

    def __init__(self, wait_s: float, reason: str = "full") -> None:
        super().__init__(f"the rate limit leaves no room for {wait_s:.2f} s ({reason})")
        self.wait_s = wait_s
        self.reason = reason


class Permits(Protocol):
    """A source of permits. Each request needs one, which is settled after the response or its failure."""

    async def acquire(self, request: Request) -> Permit:
        """Return a permit for this request. Raises RateLimitExceeded instead of waiting too long."""

    async def settle(
        self,
        permit: Permit,
        *,
        status: int | None,
        used: int | None,
        size: int | None,
        retry_after_s: float | None,
    ) -> None:
        """Return the permit with the status and headers of the response; all None if there was no response."""


class ThrottledPermits:
    """Permits with a pause of `interval_s` before each, for work without a deadline."""

    def __init__(
        self,
        permits: Permits,
        *,
        interval_s: float,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._permits = permits
        self._interval_s = interval_s
        self._sleep = sleep

    async def acquire(self, request: Request) -> Permit:
        """Pause, then acquire."""
        await self._sleep(self._interval_s)
        return await self._permits.acquire(request)

    async def settle(
        self,
        permit: Permit,
        *,
        status: int | None,
        used: int | None,
        size: int | None,
        retry_after_s: float | None,
    ) -> None:
        """Settle the underlying permit."""
        await self._permits.settle(permit, status=status, used=used, size=size, retry_after_s=retry_after_s)


class WaitingPermits:
    """Permits that wait for room in the shop's rate limit. Create one for each process, shop and lane.

    Waiters queue in order and only the first one polls Redis, so a thousand waiting calls cost no more than one.
    """

    def __init__(
        self,
        rate_limiter: RateLimiter,
        org: OrgId,
        *,
        lane: Lane,
        reserve: int = 0,
        max_wait_s: float | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rate_limiter = rate_limiter
        self._org = org
        self._lane: Lane = lane
        self._reserve = reserve
        self._max_wait_s = max_wait_s
        self._sleep = sleep
        self._queue = asyncio.Lock()

    async def acquire(self, request: Request) -> Permit:
        """Wait for room. Raises RateLimitExceeded after `max_wait_s` at the head of the queue."""
        del request  # every request costs the same
        waited_s = 0.0
        async with self._queue:
            while True:
                answer = await self._rate_limiter.acquire(self._org, lane=self._lane, reserve=self._reserve)
                if isinstance(answer, Granted):
                    return answer.permit
                wait_s = max(MIN_WAIT_S, answer.wait_s)
                if self._max_wait_s is not None and waited_s + wait_s > self._max_wait_s:
                    raise RateLimitExceeded(answer.wait_s, answer.reason)
                await self._sleep(wait_s)
                waited_s += wait_s

    async def settle(
        self,
        permit: Permit,
        *,
        status: int | None,
        used: int | None,
        size: int | None,
        retry_after_s: float | None,
    ) -> None:
        """Report the call to the rate limiter."""
        await self._rate_limiter.report(
            self._org, Granted(permit), status=status, used=used, size=size, retry_after_s=retry_after_s
        )
