"""The leaky bucket of one shop: what a call costs, and how long a throttled caller must wait."""

from __future__ import annotations

import math
from dataclasses import dataclass

_HAIR = 1e-6  # seconds since the epoch are floats, good to a quarter of a microsecond


@dataclass(slots=True)
class Bucket:
    """Size 80, leaking 4 a second, no queueing; times are seconds of the sandbox's clock.

    With `step_s` it leaks in lumps, one every so many seconds, as some say the real one does.
    Once full, every call before `blocked_until` is refused as well, whatever has leaked meanwhile.
    """

    size: int = 80
    leak_per_s: float = 4.0
    retry_after_s: float = 2.0
    step_s: float = 0.0
    level: float = 0.0
    read_at: float = 0.0
    blocked_until: float = 0.0

    def take(self, now: float, *, calls: int = 1) -> float | None:
        """Pour in; None when it fits, else the seconds to wait. A refused call adds nothing."""
        self._leak(now)
        if now < self.blocked_until - _HAIR:
            return self.blocked_until - now
        if self.level + calls > self.size + _HAIR:
            return self.block(now, self.retry_after_s)
        self.level += calls
        return None

    def block(self, now: float, seconds: float) -> float:
        self.blocked_until = now + seconds
        return seconds

    def spend(self, now: float, calls: int) -> None:
        """Calls of the merchant's other apps: they fill the bucket, up to its brim, and are never told."""
        self._leak(now)
        self.level = min(self.size, self.level + calls)

    def header(self, now: float) -> str:
        """`32/80`, rounded down as the worst a client must cope with."""
        self._leak(now)
        return f"{math.floor(self.level + _HAIR)}/{self.size}"

    def _leak(self, now: float) -> None:
        elapsed = max(0.0, now - self.read_at)
        if self.step_s:
            elapsed = (elapsed + _HAIR) // self.step_s * self.step_s
        self.level = max(0.0, self.level - elapsed * self.leak_per_s)
        self.read_at = self.read_at + elapsed if self.step_s else now
