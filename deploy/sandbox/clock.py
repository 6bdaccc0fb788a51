"""The sandbox's clock. Tests move it forward without waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch: the time of a source plus what was advanced.

    `Clock()` follows the machine's time; `Clock.frozen(...)` moves only by `advance`.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.ahead_s = 0.0
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    def frozen(cls, at: str | datetime = "2025-06-02T02:00:00+00:00") -> Clock:
        """A clock that stays at `at` until it is advanced."""
        start = datetime.fromisoformat(at) if isinstance(at, str) else at
        seconds = (start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()
        return cls(lambda: seconds)

    def __call__(self) -> float:
        return self._source() + self.ahead_s

    def advance(self, seconds: float) -> None:
        """Move forward and call the listeners."""
        self.ahead_s += seconds
        for listener in self._listeners:
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)
