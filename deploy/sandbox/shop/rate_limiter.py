"""The API call limit of one shop: a leaky bucket."""

from __future__ import annotations

import math
from dataclasses import dataclass

_EPSILON = 1e-6  # seconds since the epoch are floats, good to a quarter of a microsecond


@dataclass(slots=True)
class Bucket:
    """Holds 80 calls and leaks 4 a second. Times are seconds of the sandbox's clock.

    With `step_s` it leaks in steps of that many seconds, as the real bucket is reported to do.
    Once it is full, every call before `blocked_until` is rejected, whatever has leaked meanwhile.
    """

    size: int = 80
    leak_per_s: float = 4.0
    retry_after_s: float = 2.0
    step_s: float = 0.0
    level: float = 0.0
    read_at: float = 0.0
    blocked_until: float = 0.0

    def take(self, now: float, *, calls: int = 1) -> float | None:
        """Count the calls. Returns None if they fit, otherwise the seconds to wait; rejected calls are not counted."""
        self._leak(now)
        if now < self.blocked_until - _EPSILON:
            return self.blocked_until - now
        if self.level + calls > self.size + _EPSILON:
            return self.block(now, self.retry_after_s)
        self.level += calls
        return None

    def block(self, now: float, seconds: float) -> float:
        self.blocked_until = now + seconds
        return seconds

    def spend(self, now: float, calls: int) -> None:
        """Add calls of the merchant's other apps, up to the size of the bucket."""
        self._leak(now)
        self.level = min(self.size, self.level + calls)

    def header(self, now: float) -> str:
        """`32/80`, rounded down: the least informative value that a client must handle."""
        self._leak(now)
        return f"{math.floor(self.level + _EPSILON)}/{self.size}"

    def _leak(self, now: float) -> None:
        elapsed = max(0.0, now - self.read_at)
        if self.step_s:
            elapsed = (elapsed + _EPSILON) // self.step_s * self.step_s
        self.level = max(0.0, self.level - elapsed * self.leak_per_s)
        self.read_at = self.read_at + elapsed if self.step_s else now
