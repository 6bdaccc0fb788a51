"""Waiting for conditions without an event: a server that starts, a queue that empties."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 60.0  # a busy machine starts a server slowly
CONNECT_TIMEOUT_S: Final = 1.0
LOOPBACK: Final = "127.0.0.1"


async def wait_until(
    holds: Callable[[], Awaitable[object]], *, timeout_s: float = TIMEOUT_S, interval_s: float = 0.02
) -> None:
    """Poll until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not await holds():  # noqa: ASYNC110  # the condition has no event
            await asyncio.sleep(interval_s)


async def wait_for_port(port: int, *, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until a server accepts connections on this port. Raises TimeoutError."""

    await wait_until(lambda: accepts(port), timeout_s=timeout_s, interval_s=0.05)


async def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server accepts connections on this port."""
    return _accepts(port, host)


def wait_for_address(address: int | Path, *, host: str = LOOPBACK, timeout_s: float = TIMEOUT_S) -> None:
    """Wait until a server accepts connections on this port or Unix socket. Blocks; raises TimeoutError."""
    end = time.monotonic() + timeout_s
    while not _accepts(address, host):
        if time.monotonic() > end:
            raise TimeoutError(f"no server accepts connections on {address}")
        time.sleep(0.01)


def _accepts(address: int | Path, host: str) -> bool:
    if isinstance(address, int):
        with socket.socket() as probe:
            probe.settimeout(CONNECT_TIMEOUT_S)  # a host that is cut off answers nothing
            return probe.connect_ex((host, address)) == 0
    with socket.socket(socket.AF_UNIX) as probe:  # the file of a socket exists before the server listens
        return probe.connect_ex(str(address)) == 0
