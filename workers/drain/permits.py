"""Permits of a drain. They never wait. A write gets one only if all that it was decided on still holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from service.errors import TaggerError
from service.store.queue import (
    LEASE_MS,
    NOT_SENT,
    Denied,
    Granted,
    Lane,
    LeaseLost,
    Mark,
    Permit,
    RateLimiter,
    ShopLease,
    WriteDenied,
)
from workers.haravan import CALL_TIMEOUT_S, RateLimitExceeded, Request

# A write may take CALL_TIMEOUT_S. It must end before the lease does, so it must start this soon after the renewal.
START_TIMEOUT_S: Final = LEASE_MS / 1000 - CALL_TIMEOUT_S


class PermitRefused(TaggerError):
    """The write was not started. `reason` is one of those of `WriteDenied`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the write was not started: {reason}")
        self.reason = reason


class ReadPermits:
    """Permits for the reads of a drain."""

    def __init__(self, lease: ShopLease, rate_limiter: RateLimiter, *, lane: Lane, reserve: int) -> None:
        self._lease = lease
        self._rate_limiter = rate_limiter
        self._lane: Lane = lane
        self._reserve = reserve

    async def acquire(self, request: Request) -> Permit:
        """A permit for this read. Raises RateLimitExceeded and LeaseLost."""
        del request
        return _permit(await self._lease.permit_read(lane=self._lane, reserve=self._reserve))

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
            self._lease.org, Granted(permit), status=status, used=used, size=size, retry_after_s=retry_after_s
        )


class WritePermits(ReadPermits):
    """Permits for the plan of one customer. The admin dialect also reads: its reads get ordinary permits."""

    def __init__(
        self,
        lease: ShopLease,
        rate_limiter: RateLimiter,
        *,
        mark: Mark,
        lane: Lane,
        version: int,
        decided_ms: int,
        intents: bytes,
        removals: int,
        owners: int,
        reserve: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(lease, rate_limiter, lane=lane, reserve=reserve)
        self._mark = mark
        self._version = version
        self._decided_ms = decided_ms
        self._intents = intents
        self._removals = removals
        self._owners = owners
        self._clock = clock
        self.sent = 0  # permitted writes, which may have taken effect

    async def acquire(self, request: Request) -> Permit:
        """A permit for this request. Raises RateLimitExceeded, PermitRefused and LeaseLost."""
        if request.kind == "read":
            return await super().acquire(request)
        started = self._clock()  # the script renews the lease after this moment, never before
        has_removals = request.method in ("DELETE", "PUT")
        answer = await self._lease.permit_write(
            self._mark,
            lane=self._lane,
            version=self._version,
            decided_ms=self._decided_ms,
            intents=self._intents,
            removals=self._removals if has_removals else 0,
            owners=self._owners,
            reserve=self._reserve,
        )
        permit = _permit(answer)
        if self._clock() - started > START_TIMEOUT_S:
            await self._rate_limiter.report(self._lease.org, Granted(permit), status=NOT_SENT)
            raise LeaseLost("the process was suspended between permit and write")
        self.sent += 1
        return permit


def _permit(answer: Granted | Denied | WriteDenied) -> Permit:
    if isinstance(answer, Granted):
        return answer.permit
    if isinstance(answer, Denied):
        raise RateLimitExceeded(answer.wait_s, answer.reason)
    if answer.reason == "lease_lost":
        raise LeaseLost("the lease was lost before a call")
    raise PermitRefused(answer.reason)
