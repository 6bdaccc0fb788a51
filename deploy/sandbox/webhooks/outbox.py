"""The queue of deliveries, and the waits before the 19 retries. No I/O."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

RETRY_AFTER_S = (
    10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 5_400, 7_200, 9_000, 10_800, 14_400, 18_000, 21_600, 28_800, 50_160,
)  # fmt: skip
"""Waits before the 19 retries. Haravan documents 48 h in total; the distribution is our guess."""


@dataclass(slots=True)
class Delivery:
    """One webhook to deliver. `failures` counts the failed attempts.

    `signature` and `org` replace the real values, to simulate a forged webhook."""

    topic: str
    customer_id: int
    body: bytes
    test: bool = False
    signature: str | None = None
    org: str | None = None
    failures: int = 0

    @property
    def attempt(self) -> int:
        return self.failures + 1


class Outbox:
    """Deliveries ordered by the time when they are due, then by arrival."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Delivery]] = []
        self._sequence = count()
        self.unsent = 0  # deliveries that wait for their first attempt

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, delivery: Delivery, *, due: float) -> None:
        heapq.heappush(self._heap, (due, next(self._sequence), delivery))
        self.unsent += not delivery.failures

    def pop(self, now: float) -> Delivery | None:
        if self._heap and self._heap[0][0] <= now:
            delivery = heapq.heappop(self._heap)[2]
            self.unsent -= not delivery.failures
            return delivery
        return None

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def waiting(self) -> list[Delivery]:
        """The waiting deliveries, in the order in which they are due."""
        return [delivery for _, _, delivery in sorted(self._heap, key=lambda entry: entry[:2])]

    def clear(self) -> None:
        self._heap.clear()
        self.unsent = 0


def retry_wait_s(failures: int, *, time_scale: float) -> float | None:
    """Seconds until the next attempt after this many failures, or None after the last retry."""
    if failures > len(RETRY_AFTER_S):
        return None
    return RETRY_AFTER_S[failures - 1] * time_scale
