"""The sandbox's time: any source of seconds, which can be moved forward without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch, UTC: a source plus all that was advanced.

    `Clock()` runs with the machine; `Clock.frozen(...)` moves by `advance` alone.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.ahead_s = 0.0
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    def frozen(cls, at: str | datetime = "2025-06-02T02:00:00+00:00") -> Clock:
        """A clock that stands still at `at` until it is advanced."""
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
        stands = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return cls(lambda: stands)

    def __call__(self) -> float:
        return self._source() + self.ahead_s

    def advance(self, seconds: float) -> None:
        """Move forward and tell everyone who waits for a time."""
        self.ahead_s += seconds
        for listener in self._listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)
