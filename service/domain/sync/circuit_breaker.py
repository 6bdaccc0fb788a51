"""The circuit breaker of a shop: after failures of several customers its calls rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

BREAKER_AFTER: Final = 5  # failures in a row
BREAKER_MIN_S: Final = 10.0
BREAKER_MAX_S: Final = 300.0
OUTAGE_MAX_S: Final = 86_400.0
SEVERAL_CUSTOMERS: Final = "several"


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """The circuit breaker for calls of one kind, `read` or `write`, to one shop.

    It opens only after failures of several customers: a single customer that always fails must not delay the others.
    """

    failures: int = 0  # in a row
    open_until_ms: int = 0
    failing_customer: str = ""  # the only customer of these calls, or SEVERAL_CUSTOMERS

    @property
    def is_tripped(self) -> bool:
        """Whether failures count against the shop rather than a customer."""
        return self.failures >= BREAKER_AFTER and self.failing_customer == SEVERAL_CUSTOMERS

    def blames_customer(self, *, first_ms: int, now_ms: int) -> bool:
        """Whether a failure counts against the customer, first marked at `first_ms`.

        After a day it always does. Otherwise two customers that always fail would never become dead letters.
        """
        return not self.is_tripped or now_ms - first_ms > OUTAGE_MAX_S * 1000

    def record_failure(self, *, now_ms: int, customer: str = SEVERAL_CUSTOMERS) -> CircuitBreaker:
        failing = customer if self.failing_customer in ("", customer) else SEVERAL_CUSTOMERS
        failed = CircuitBreaker(self.failures + 1, self.open_until_ms, failing)
        if not failed.is_tripped:
            return failed
        rest_s = min(BREAKER_MAX_S, BREAKER_MIN_S * 2 ** min(10, failed.failures - BREAKER_AFTER))
        return replace(failed, open_until_ms=now_ms + int(rest_s * 1000))

    def record_success(self) -> CircuitBreaker:
        return CircuitBreaker()
