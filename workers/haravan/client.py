"""The API client of one shop: performs calls, each request paced, sent, settled, and understood by its dialect."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final, Self, TypeVar

import aiohttp
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.errors import TaggerError
from service.store.bucket import Permit
from service.store.shop import Shop
from workers.haravan.allowance import Allowance, allowance
from workers.haravan.dialects import Name, speak
from workers.haravan.pacer import Permits
from workers.haravan.requests import Call, Request, Response
from workers.haravan.session import exchange

T = TypeVar("T")
OnCall = Callable[[str, int | None, float], None]
"""Told of every request: endpoint, status (None without an answer), seconds."""

CALL_TIMEOUT_S: Final = 8.0  # a lock lives 15 s and a permit as long: a call must be over well before


class Haravan:
    """One shop's API. `dialect` has the calls: `await shop.perform(shop.dialect.get(customer), permits)`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        org: OrgId,
        dialect: Name,
        address: str,
        token: str,
        call_timeout_s: float = CALL_TIMEOUT_S,
        on_call: OnCall | None = None,
    ) -> None:
        self.org = org
        self.dialect = speak(dialect)
        self._session = session
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = aiohttp.ClientTimeout(total=call_timeout_s)
        self._on_call = on_call

    @classmethod
    def of(cls, shop: Shop, session: aiohttp.ClientSession, *, on_call: OnCall | None = None) -> Self:
        """The API of a shop as it is stored."""
        return cls(
            session,
            org=shop.org,
            dialect=shop.dialect,
            address=shop.api_url,
            token=shop.token,
            on_call=on_call,
        )

    async def perform(self, call: Call[T], permits: Permits) -> T:
        """Make a call, request by request, and return its value.

        Raises what the call raises (errors.py), Unavailable where no answer came, NoRoom where `permits` does
        not wait. Every permit is settled, also when the answer is lost or the task is cancelled.
        """
        try:
            request = next(call)
            while True:
                request = call.send(await self._paced(request, permits))
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            call.close()

    async def _paced(self, request: Request, permits: Permits) -> Response:
        permit = await permits.acquire(request)
        try:
            response = await self._timed(request)
        except BaseException:
            # The permit expires by itself: what counts is why there is no answer.
            with contextlib.suppress(RedisError, OSError, TaggerError):
                await _settle(permits, permit, status=None, said=Allowance())
            raise
        await _settle(permits, permit, status=response.status, said=allowance(response))
        return response

    async def _timed(self, request: Request) -> Response:
        status: int | None = None
        started = time.perf_counter()
        try:
            response = await exchange(
                self._session, request, address=self._address, headers=self._headers, timeout=self._timeout
            )
            status = response.status
            return response
        finally:
            if self._on_call is not None:
                self._on_call(request.endpoint, status, time.perf_counter() - started)


async def _settle(permits: Permits, permit: Permit, *, status: int | None, said: Allowance) -> None:
    """Shielded: a turn that is cancelled here would leave its call counted as on the way for 15 s."""
    settling = permits.settle(
        permit, status=status, used=said.used, size=said.size, retry_after_s=said.retry_after_s
    )
    task = asyncio.ensure_future(settling)
    _settling.add(task)
    task.add_done_callback(_settled)
    await asyncio.shield(task)


def _settled(task: asyncio.Future[None]) -> None:
    _settling.discard(task)
    if not task.cancelled():
        task.exception()  # seen: whoever still waits gets it, else the permit expires by itself


_settling: Final[set[asyncio.Future[None]]] = set()  # the loop itself holds tasks only weakly
