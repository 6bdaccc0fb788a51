"""Telling people: one notice for each kind and shop within a while, by the channels of ALERT_URLS, and in the log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.store import keys

QUIET_S: Final = 3600  # the same kind of alert of the same shop is not repeated within this time
SEND_WITHIN_S: Final = 20.0
MOST_OUT: Final = 32  # notices on their way; more would only say the same
NO_SHOP: Final = "-"

Send = Callable[[str, str], Awaitable[bool]]  # title, text


class Alerts:
    """Raises alerts without making anybody wait.

    A text never carries a payload, a phone, an e-mail or a secret: it goes to chat rooms.
    """

    def __init__(self, redis: Redis, *, send: Send | None = None, quiet_s: int = QUIET_S) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._send = send
        self._quiet_s = quiet_s
        self._out: set[asyncio.Task[None]] = set()
        self._said: dict[tuple[str, str], float] = {}  # when, by this process: for as long as Redis is away

    def raise_alert(self, kind: str, text: str, *, org: str = NO_SHOP) -> None:
        """Say it once: in the log, and to the people when channels are set. Returns at once, raises nothing."""
        if len(self._out) >= MOST_OUT:
            return
        task = asyncio.get_running_loop().create_task(self._tell(kind, text, org))
        self._out.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._out.discard)

    async def settled(self) -> None:
        """Wait until everything raised so far has been told (for shutting down)."""
        await asyncio.gather(*self._out, return_exceptions=True)

    async def _tell(self, kind: str, text: str, org: str) -> None:
        if not await self._first(kind, org):
            return
        sent = None
        if self._send is not None:
            sent = False
            with suppress(TimeoutError):
                async with asyncio.timeout(SEND_WITHIN_S):
                    sent = await self._send(f"haravan-tagger: {kind}", f"Shop {org}: {text}")
        structlog.get_logger().warning("alert", kind=kind, org=org, text=text, sent=sent)

    async def _first(self, kind: str, org: str) -> bool:
        """Whether nobody, in any process, raised this within the quiet time; without Redis, nobody in this one."""
        now = asyncio.get_running_loop().time()
        try:
            name = re.sub(r"\W+", "_", kind)
            first = bool(
                await self._redis.set(keys.shop(org, f"alert_sent:{name}"), 1, nx=True, ex=self._quiet_s)
            )
        except (RedisError, OSError):
            first = now - self._said.get((kind, org), float("-inf")) > self._quiet_s
        if first:
            self._said = {each: at for each, at in self._said.items() if now - at <= self._quiet_s}
            self._said[kind, org] = now
        return first


def sender(urls: tuple[str, ...]) -> Send | None:
    """How to send to ALERT_URLS, None when there are none."""
    if not urls:
        return None

    async def send(title: str, text: str) -> bool:
        import apprise  # takes half a second, which no start should pay that has no channels

        channels = apprise.Apprise()
        for url in urls:
            channels.add(url)
        return bool(await channels.async_notify(title=title, body=text))

    return send
