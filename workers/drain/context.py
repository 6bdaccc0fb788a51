"""The shared state of a drain: the shop, its circuit breakers, settling, and when the next drain is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from service.alerts import Alerts
from service.domain.engine import CompiledRules
from service.domain.sync import CircuitBreaker
from service.errors import TaggerError
from service.runtime import is_tracing
from service.store.client import RedisClient
from service.store.history import deliveries
from service.store.jobs import Counters
from service.store.queue import Lane, LeaseLost, Mark, Outcome, RateLimiter, Settlement, ShopLease, dirty
from service.store.shops import Shop, ShopRepository
from workers.drain.log import DrainLog
from workers.haravan import Haravan

LATE_AFTER_S: Final = 1.0  # with one call; then the drain goes on without it
REFILL_CALLS: Final = 8
MAX_BREAKER_MS: Final = 600_000
LANES: Final[tuple[Lane, ...]] = ("live", "bulk")


class DrainStopped(TaggerError):
    """The drain ends early without a failure. The text is its outcome.

    `version_changed`: other rules went live. `shadow_changed`: shadow mode or a freeze began or ended. `paused`: the
    shop was paused.
    """


@dataclass(slots=True)
class DrainContext:
    """The state of one drain. `state_changes` is what the next drain of the shop must know of it."""

    lease: ShopLease
    shop: Shop
    api: Haravan
    rules: CompiledRules
    redis: RedisClient
    rate_limiter: RateLimiter
    shops: ShopRepository
    counters: Counters
    alerts: Alerts
    jitter: Callable[[], float]
    log: DrainLog = field(init=False)
    read_breaker: CircuitBreaker = field(init=False)
    write_breaker: CircuitBreaker = field(init=False)
    single_reads_until_ms: int = field(init=False)
    wait_ms: int = 0  # until the next drain; 0 = no reason to wait
    live_backlog: bool = False  # the last dequeue was full of live customers

    def __post_init__(self) -> None:
        state = self.lease.state
        self.log = DrainLog(self.lease, self.counters)
        self.read_breaker = _load_breaker(state, "read", now_ms=self.lease.now_ms)
        self.write_breaker = _load_breaker(state, "write", now_ms=self.lease.now_ms)
        self.single_reads_until_ms = int(state.get("single_reads_until", 0))
        self.live_backlog = bool(state.get("live_backlog"))

    @property
    def today(self) -> int:
        """The day in the time zone of the rules, as an ordinal."""
        return self.rules.local_day(self.lease.now_ms)

    @property
    def is_silent(self) -> bool:
        """Whether decisions are recorded and not written: shadow mode, or a freeze."""
        return self.shop.shadow or self.shop.is_frozen(self.lease.now_ms)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Store the settlements. Raises LeaseLost or DrainStopped if the store refuses all of them.

        A customer is requeued if a write went out and its settlement is refused. Another drain may have read the
        record before the write took effect, and completed the customer since.
        """
        outcomes = await self.lease.settle(settlements, today=self.today)
        settled = list(zip(settlements, outcomes, strict=True))
        for settlement, outcome in settled:
            self.log.log_settlement(settlement, outcome)
        await self.requeue(
            settlement.mark for settlement, outcome in settled if settlement.is_sent and outcome != "done"
        )
        _raise_if_refused(outcomes)

    async def requeue(self, marks: Iterable[Mark]) -> None:
        """Mark the customers again, even if they are not marked any more: that voids every earlier read."""
        lane_of = {mark.customer: mark.lane for mark in marks}
        for lane in LANES:
            customers = [customer for customer in lane_of if lane_of[customer] == lane]
            await dirty.mark_dirty_customers(
                self.redis, self.lease.org, customers, cause="requeue", lane=lane
            )
        if lane_of:
            structlog.get_logger().info("requeued", org=self.lease.org, customers=len(lane_of))

    async def traceparents(self, marks: Sequence[Mark]) -> list[str]:
        """The traced deliveries that these marks answer. Without traces it asks nothing."""
        if not is_tracing():
            return []
        return await deliveries.load_traceparents(
            self.redis, self.lease.org, [(mark.customer, mark.enqueued_ms) for mark in marks]
        )

    def is_blocked(self, breaker: CircuitBreaker) -> bool:
        """Whether the breaker is open. The next drain then waits until it closes."""
        if breaker.open_until_ms <= self.lease.now_ms:
            return False
        self.wait(breaker.open_until_ms - self.lease.now_ms)
        return True

    def wait_for_rate_limit(self, wait_s: float) -> None:
        """Let the next drain wait until the rate limit has room for several calls (2 s), not only for one."""
        self.wait(max(int(wait_s * 1000), refill_ms(self.rate_limiter)))

    def wait(self, ms: int) -> None:
        """Let the next drain wait this long. The shortest wait of a drain counts."""
        if ms > 0:
            self.wait_ms = ms if not self.wait_ms else min(self.wait_ms, ms)

    def state_changes(self) -> dict[str, str]:
        """The changed fields of the shop's state. An empty text removes a field."""
        return {
            **_breaker_fields("read", self.read_breaker),
            **_breaker_fields("write", self.write_breaker),
            "single_reads_until": str(self.single_reads_until_ms or ""),
            "live_backlog": "1" if self.live_backlog else "",
            **self.log.state_changes(),
        }


def refill_ms(rate_limiter: RateLimiter) -> int:
    """How long the rate limit takes to make room for several calls."""
    return int(REFILL_CALLS / rate_limiter.leak_per_s * 1000)


def _raise_if_refused(outcomes: Sequence[Outcome]) -> None:
    if "lease_lost" in outcomes:
        raise LeaseLost("the lease was lost before a settlement")
    if "version_changed" in outcomes:
        raise DrainStopped("version_changed")
    if "shadow_changed" in outcomes:
        raise DrainStopped("shadow_changed")


def _load_breaker(state: Mapping[str, str], kind: str, *, now_ms: int) -> CircuitBreaker:
    return CircuitBreaker(
        failures=int(state.get(f"{kind}_failures", 0)),
        # bounded, because the clock of Redis may have been set back since
        open_until_ms=min(int(state.get(f"{kind}_open_until", 0)), now_ms + MAX_BREAKER_MS),
        failing_customer=state.get(f"{kind}_failing", ""),
    )


def _breaker_fields(kind: str, breaker: CircuitBreaker) -> dict[str, str]:
    return {
        f"{kind}_failures": str(breaker.failures or ""),
        f"{kind}_open_until": str(breaker.open_until_ms or ""),
        f"{kind}_failing": breaker.failing_customer,
    }
