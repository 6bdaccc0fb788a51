"""The HTTP client of all webhooks, and the handshake by which a receiver proves that it expects them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp

from deploy.sandbox.clock import Clock
from deploy.sandbox.webhooks.delivery import Deliveries


class HandshakeFailed(Exception):
    """The receiver did not echo the challenge."""


class Sender(Protocol):
    """A shop. Its `deliveries` are read when the session is opened, because a test may have replaced them."""

    deliveries: Deliveries


class WebhookSession:
    """Sends the deliveries of all shops while it is open."""

    def __init__(self) -> None:
        self._client: aiohttp.ClientSession | None = None
        self._shops: list[Sender] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, shop: Sender) -> None:
        """Send this shop's deliveries too: at once if the session is open, otherwise when it is opened."""
        self._shops.append(shop)
        if self._client is not None:
            self._tasks.append(shop.deliveries.start(self._client))

    def wake(self) -> None:
        """Check again what is due. Called when the clock moves."""
        for shop in self._shops:
            shop.deliveries.wake()

    async def play(self, clock: Clock, seconds: float) -> None:
        """Move the clock forward; at each time at which deliveries fall due, wait until they were sent.

        Raises RuntimeError while the session is not open.
        """
        end = clock() + seconds
        while True:
            for shop in self._shops:  # a failure of what is being sent now makes the next retry
                await shop.deliveries.wait_due()
            due = self._next_due()
            if due is None or due > end:
                break
            clock.advance(max(0.0, due - clock()))
        clock.advance(max(0.0, end - clock()))

    def _next_due(self) -> float | None:
        times = (shop.deliveries.next_due for shop in self._shops)
        return min((time for time in times if time is not None), default=None)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Send webhooks inside this block."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as client:
            self._client = client
            self._tasks = [shop.deliveries.start(client) for shop in self._shops]
            try:
                yield
            finally:
                self._client = None
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                self._tasks = []

    async def handshake(self, url: str | None, *, verify_token: str | None, timeout_s: float) -> str | None:
        """Ask the receiver to echo a challenge. Returns None on success, otherwise what went wrong.

        Raises RuntimeError while the session is not open.
        """
        if self._client is None:
            raise RuntimeError("webhooks are sent only while the sandbox is served")
        challenge = secrets.token_hex(16)
        params = {"hub.mode": "subscribe", "hub.verify_token": verify_token or "", "hub.challenge": challenge}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._client.get(
                url or "", params=params, timeout=timeout, allow_redirects=False
            ) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
            return f"no answer ({type(exc).__name__})"
        if response.status != 200:
            return f"status {response.status}"
        return None if text.strip() == challenge else "the challenge was not echoed"
