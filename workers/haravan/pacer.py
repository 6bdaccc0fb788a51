"""Who may call, and when: the seam between the client and the bucket, and the pace of walks and of the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from service.domain.customers import OrgId
from service.store.bucket import Bucket, Grant, Lane, Permit
from workers.haravan.requests import Request

SHORTEST_WAIT_S: Final = 0.01


class NoRoom(Exception):
    """Not an error but a signal: the call was not started, there may be room in `wait_s` seconds."""

    def __init__(self, wait_s: float, reason: str = "full") -> None:
        super().__init__(f"no room for a call for {wait_s:.2f} s ({reason})")
        self.wait_s = wait_s
        self.reason = reason


class Permits(Protocol):
    """Permission for each call, given before it is sent and settled after its answer, or want of one."""

    async def acquire(self, request: Request) -> Permit:
        """A permit for this request; raises NoRoom where it does not wait."""

    async def settle(
        self,
        permit: Permit,
        *,
        status: int | None,
        used: int | None,
        size: int | None,
        retry_after_s: float | None,
    ) -> None:
        """Give it back with what the answer said; all None when there was none."""


class Trickle:
    """Permits with a rest before each: for what has the whole night."""

    def __init__(
        self, permits: Permits, *, every_s: float, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._permits = permits
        self._every_s = every_s
        self._sleep = sleep

    async def acquire(self, request: Request) -> Permit:
        """Rest, then wait until the call may be made."""
        await self._sleep(self._every_s)
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
        """As the permits do."""
        await self._permits.settle(permit, status=status, used=used, size=size, retry_after_s=retry_after_s)


class Pacer:
    """Permits that wait for their turn. One for each process, shop and lane: only its first waiter asks.

    The others queue behind it in the order in which they came, so a thousand waiting calls ask Redis no
    more often than one.
    """

    def __init__(
        self,
        bucket: Bucket,
        org: OrgId,
        *,
        lane: Lane,
        reserve: int = 0,
        longest_wait_s: float | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._bucket = bucket
        self._org = org
        self._lane: Lane = lane
        self._reserve = reserve
        self._longest_wait_s = longest_wait_s
        self._sleep = sleep
        self._turn = asyncio.Lock()

    async def acquire(self, request: Request) -> Permit:
        """Wait until the call may be made; raises NoRoom after `longest_wait_s` at the head of the queue."""
        del request  # every call costs one place, whatever it asks
        waited_s = 0.0
        async with self._turn:
            while True:
                answer = await self._bucket.acquire(self._org, lane=self._lane, reserve=self._reserve)
                if isinstance(answer, Grant):
                    return answer.permit
                wait_s = max(SHORTEST_WAIT_S, answer.wait_s)
                if self._longest_wait_s is not None and waited_s + wait_s > self._longest_wait_s:
                    raise NoRoom(answer.wait_s, answer.reason)
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
        """Report the call to the bucket."""
        await self._bucket.report(
            self._org, Grant(permit), status=status, used=used, size=size, retry_after_s=retry_after_s
        )
