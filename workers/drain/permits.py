"""Permits of a turn: they never wait, and a write's asks first whether everything stands that it was decided on."""

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

# A write may take this long, so it must not be started later than this after the lease was last renewed.
START_WITHIN_S: Final = LEASE_MS / 1000 - CALL_TIMEOUT_S


class PermitRefused(TaggerError):
    """The write was not started; `why` is that of `Refused`."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the write was not started: {why}")
        self.why = why


class ReadPermits:
    """For the reads of a turn."""

    def __init__(self, turn: ShopLease, bucket: RateLimiter, *, lane: Lane, reserve: int) -> None:
        self._turn = turn
        self._bucket = bucket
        self._lane: Lane = lane
        self._reserve = reserve

    async def acquire(self, request: Request) -> Permit:
        """A permit for this read; raises RateLimitExceeded, LockLost."""
        del request
        return _granted(await self._turn.permit_read(lane=self._lane, reserve=self._reserve))

    async def settle(
        self,
        permit: Permit,
        *,
        status: int | None,
        used: int | None,
        size: int | None,
        retry_after_s: float | None,
    ) -> None:
        """Report the call to the bucket."""
        await self._bucket.report(
            self._turn.org, Granted(permit), status=status, used=used, size=size, retry_after_s=retry_after_s
        )


class WritePermits(ReadPermits):
    """For carrying out one customer's plan; its reads (the admin dialect's) are ordinary ones."""

    def __init__(
        self,
        turn: ShopLease,
        bucket: RateLimiter,
        *,
        mark: Mark,
        version: int,
        decided_ms: int,
        intents: bytes,
        removals: int,
        ours: int,
        reserve: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(turn, bucket, lane=mark.lane, reserve=reserve)
        self._mark = mark
        self._version = version
        self._decided_ms = decided_ms
        self._intents = intents
        self._removals = removals
        self._ours = ours
        self._clock = clock
        self.sent = 0  # writes that were permitted, and so may have taken effect

    async def acquire(self, request: Request) -> Permit:
        """A permit for this request; raises RateLimitExceeded, PermitRefused, LockLost."""
        if request.kind == "read":
            return await super().acquire(request)
        asked = self._clock()  # the lease is renewed at some time after this, never before
        removes = "DELETE" in request.endpoint or "PUT" in request.endpoint
        answer = await self._turn.permit_write(
            self._mark,
            version=self._version,
            decided_ms=self._decided_ms,
            intents=self._intents,
            removals=self._removals if removes else 0,
            owners=self._ours,
            reserve=self._reserve,
        )
        permit = _granted(answer)
        if self._clock() - asked > START_WITHIN_S:
            await self._bucket.report(self._turn.org, Granted(permit), status=NOT_SENT)
            raise LeaseLost("the process stood still between permit and write")
        self.sent += 1
        return permit


def _granted(answer: Granted | Denied | WriteDenied) -> Permit:
    if isinstance(answer, Granted):
        return answer.permit
    if isinstance(answer, Denied):
        raise RateLimitExceeded(answer.wait_s, answer.reason)
    if answer.reason == "lease_lost":
        raise LeaseLost("the lease was lost before a call")
    raise PermitRefused(answer.reason)
