"""Polling, for conditions without an event: a process that starts, a customer that leaves the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], Awaitable[bool]], *, within_s: float, every_s: float = 0.02) -> bool:
    """Poll until the condition holds. Returns False after `within_s` seconds."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                if await holds():
                    return True
                await asyncio.sleep(every_s)
    except TimeoutError:
        return False
