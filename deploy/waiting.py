"""Waiting for something that tells nobody when it is so: a process that starts, a mark that goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], Awaitable[bool]], *, within_s: float, every_s: float = 0.02) -> bool:
    """Look again and again until it holds; False when that takes too long."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                if await holds():
                    return True
                await asyncio.sleep(every_s)
    except TimeoutError:
        return False
