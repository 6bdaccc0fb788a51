"""Alerts: notify people through the channels of ALERT_URLS and in the log, once per kind, shop and hour."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from service.runtime import BackgroundTasks
from service.store.client import RedisClient, keys
from service.store.jobs import count_now

DEDUP_WINDOW_S: Final = 3600  # the same alert of the same shop is not repeated within this time
SEND_TIMEOUT_S: Final = 20.0
MAX_PENDING: Final = 32  # further alerts are dropped
NO_SHOP: Final = "-"

Send = Callable[[str, str], Awaitable[bool]]  # (title, text) -> delivered


class Alerts:
    """Raises alerts in the background.

    A text never contains a payload, phone number, e-mail address or secret: it goes to chat rooms.
    """

    def __init__(
        self, redis: RedisClient, *, send: Send | None = None, dedup_window_s: int = DEDUP_WINDOW_S
    ) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._send = send
        self._dedup_window_s = dedup_window_s
        self._sending = BackgroundTasks()
        self._last_sent: dict[tuple[str, str], float] = {}  # by this process
        self._asking: set[tuple[str, str]] = (
            set()
        )  # Redis is asked about these, which takes long while it is away

    def raise_alert(self, kind: str, text: str, *, org: str = NO_SHOP) -> None:
        """Log the alert and send it to the channels, if any. Returns at once and raises nothing."""
        if len(self._sending) < MAX_PENDING:
            self._sending.start(self._notify(kind, text, org))

    async def drain(self) -> None:
        """Wait until all alerts have been sent. Called at shutdown."""
        await self._sending.wait()

    async def _notify(self, kind: str, text: str, org: str) -> None:
        if not await self._acquire_slot(kind, org):
            return
        sent = None
        if self._send is not None:
            sent = False
            with suppress(TimeoutError):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    sent = await self._send(f"haravan-tagger: {kind}", f"Shop {org}: {text}")
        structlog.get_logger().warning("alert", kind=kind, org=org, text=text, sent=sent)

    async def _acquire_slot(self, kind: str, org: str) -> bool:
        """Whether no process (without Redis: not this process) has sent this alert within the dedup window.

        Redis does not know what this process sent while Redis was away.
        """
        now = asyncio.get_running_loop().time()
        if (kind, org) in self._asking:
            return False
        if now - self._last_sent.get((kind, org), float("-inf")) <= self._dedup_window_s:
            return False
        self._asking.add((kind, org))
        try:
            name = re.sub(r"\W+", "_", kind)
            key = keys.shop(org, f"alert_sent:{name}")
            mine = secrets.token_bytes(8)  # a server that is lost while it stores it is asked again
            held = await self._redis.set(key, mine, nx=True, get=True, ex=self._dedup_window_s)
            acquired = held in (None, mine)
            if acquired:
                await count_now(self._redis, "alerts", kind=kind)
        except (RedisError, OSError):
            acquired = True
        finally:
            self._asking.discard((kind, org))
        if acquired:
            recent = {each: at for each, at in self._last_sent.items() if now - at <= self._dedup_window_s}
            self._last_sent = {**recent, (kind, org): now}
        return acquired


def apprise_sender(urls: tuple[str, ...]) -> Send | None:
    """A function that sends to ALERT_URLS, None if there are none."""
    if not urls:
        return None

    async def send(title: str, text: str) -> bool:
        import apprise  # takes half a second to import

        channels = apprise.Apprise()
        for url in urls:
            channels.add(url)
        return bool(await channels.async_notify(title=title, body=text))

    return send
