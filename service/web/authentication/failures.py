"""Failures of authentication: counted for each client and for all clients together, in this process.

A client with too many failures within a minute is refused before its token is even looked at, so guessing 1,100 tokens a
second becomes guessing ten a minute. Other clients are never refused for it. Many clients that fail together are an
attack: then each of them gets only two tries.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

WINDOW_S: Final = 60.0
MAX_FAILURES: Final = 10  # of one client within the window
MAX_FAILURES_UNDER_ATTACK: Final = 2
MAX_TOTAL_FAILURES: Final = 100  # of all clients within the window; more is an attack
MAX_CLIENTS: Final = 10_000  # about 2 MB
UNKNOWN_CLIENT: Final = "unknown"


@dataclass(slots=True)
class _Window:
    """Failures since `started_s`."""

    started_s: float
    failures: int = 0


class FailureLimiter:
    """Counts failures in fixed windows of a minute. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clients: dict[str, _Window] = {}  # in the order of their start
        self._total = _Window(float("-inf"))

    def retry_after_s(self, client: str) -> int:
        """Whole seconds until the client may try again; 0: it may try now."""
        window = self._clients.get(client)
        if window is None:
            return 0
        left_s = window.started_s + WINDOW_S - self._clock()
        if left_s <= 0 or window.failures < self._max_failures():
            return 0
        return math.ceil(left_s)

    def add_failure(self, client: str) -> bool:
        """Count a failure. True if it is the one after which this client is refused, or after which an attack is assumed."""
        now_s = self._clock()
        if now_s - self._total.started_s >= WINDOW_S:
            self._total = _Window(now_s)
        self._total.failures += 1
        window = self._clients.get(client)
        if window is None or now_s - window.started_s >= WINDOW_S:
            self._clients.pop(client, None)
            window = self._clients[client] = _Window(now_s)
            if len(self._clients) > MAX_CLIENTS:
                del self._clients[next(iter(self._clients))]
        window.failures += 1
        return window.failures == MAX_FAILURES or self._total.failures == MAX_TOTAL_FAILURES

    def _max_failures(self) -> int:
        under_attack = (
            self._total.failures >= MAX_TOTAL_FAILURES and self._clock() - self._total.started_s < WINDOW_S
        )
        return MAX_FAILURES_UNDER_ATTACK if under_attack else MAX_FAILURES


def client_of(host: str | None) -> str:
    """The client behind an address. An IPv6 client owns a whole /64 network, so its addresses count together."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return UNKNOWN_CLIENT
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address)
