"""Delays after failures, and when to doubt 404s."""

from __future__ import annotations

from typing import Final

MAX_ATTEMPTS: Final = 8  # then a dead letter, about an hour after the first
MAX_REJECTIONS: Final = 3  # a 422 may be transient: two more attempts, then a dead letter
MAX_FAILED_DRAINS: Final = 3  # drains in a row that ended while they held a customer, then a dead letter
FIRST_RETRY_S: Final = 5.0
RETRY_GROWTH: Final = 3.0
MAX_RETRY_S: Final = 3600.0

DELETION_CONFIRM_S: Final = 600.0
MASS_DELETION_SHARE: Final = 0.2
MIN_MASS_DELETION: Final = 5

STALE_READ_BACKOFF_S: Final = (2.0, 10.0, 60.0)
STALE_READ_RECHECK_S: Final = 600.0

AUTH_PROBE_INTERVAL_S: Final = 300.0

RECONNECT_MIN_S: Final = 0.25
RECONNECT_MAX_S: Final = 2.0


def retry_delay_s(attempts: int, jitter: float) -> float:
    """Seconds until the retry after the n-th failure of a customer: exponential, full jitter (`jitter` in 0..1)."""
    return min(MAX_RETRY_S, FIRST_RETRY_S * RETRY_GROWTH ** (attempts - 1)) * jitter


def reconnect_delay_s(attempts: int, jitter: float) -> float:
    """Seconds until a worker tries to reach its store for the n-th time (from 1), after the connection was lost.

    Between 0.25 and 2 s, so that workers neither try without pause nor stay away once the store is back. `jitter` in
    0..1 spreads the workers.
    """
    return min(RECONNECT_MAX_S, RECONNECT_MIN_S * 2.0 ** min(attempts, 10)) * (0.5 + 0.5 * jitter)


def batch_size(attempts: int, *, maximum: int) -> int:
    """How many customers that failed `attempts` times are fetched together.

    Halving the batch with each attempt isolates a poison record long before the other customers reach MAX_ATTEMPTS.
    """
    return max(1, maximum >> attempts)


def too_many_deletions(*, missing: int, requested: int) -> bool:
    """Whether so many 404s among the requested customers mean a wrong token or address rather than deletions.

    `missing` counts first 404s without an announced deletion. A second 404 counts for nothing: either there were few
    first ones, or a person has resumed the shop since.
    """
    return missing >= MIN_MASS_DELETION and missing > requested * MASS_DELETION_SHARE
