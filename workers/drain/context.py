"""What the reads and the writes of one turn share: the shop, its breakers, settling, and when to come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from arq.connections import ArqRedis

from service.alerts import Alerts
from service.domain.engine import CompiledRules
from service.domain.sync import CircuitBreaker
from service.errors import TaggerError
from service.store.jobs import Counters
from service.store.queue import LeaseLost, Mark, Outcome, RateLimiter, Settlement, ShopLease, dirty
from service.store.shops import Shop, ShopRepository
from workers.drain.log import DrainLog
from workers.haravan import Haravan

LEAKED_CALLS: Final = 8
LONGEST_REST_MS: Final = 600_000  # of a kind of calls


class DrainStopped(TaggerError):
    """The turn ends early, for a reason that is no failure: other rules went live, or the shop was paused.

    Or its shadow mode began or ended: the next turn knows.
    """


@dataclass(slots=True)
class DrainContext:
    """One turn: it remembers what the next round must know, and the shop's state for the next turn."""

    turn: ShopLease
    shop: Shop
    api: Haravan
    compiled: CompiledRules
    redis: ArqRedis
    bucket: RateLimiter
    shops: ShopRepository
    counters: Counters
    alerts: Alerts
    jitter: Callable[[], float]
    journal: DrainLog = field(init=False)
    reads: CircuitBreaker = field(init=False)
    writes: CircuitBreaker = field(init=False)
    single_reads_until_ms: int = field(init=False)
    wait_ms: int = 0
    live_backlog: bool = False  # live customers wait in full batches, as the last dequeue saw it

    def __post_init__(self) -> None:
        state = self.turn.state
        self.journal = DrainLog(self.turn, self.counters)
        self.reads = _breaker(state, "read", now_ms=self.turn.now_ms)
        self.writes = _breaker(state, "write", now_ms=self.turn.now_ms)
        self.single_reads_until_ms = int(state.get("single_reads_until", 0))
        self.live_backlog = bool(state.get("live_backlog"))

    @property
    def today(self) -> int:
        """The day in the zone of the rules, as an ordinal."""
        return self.compiled.local_day(self.turn.now_ms)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Carry out what was decided. Raises LockLost and TurnOver when that was refused as a whole.

        A write that went out and whose settlement is refused is looked at again: somebody may have read the
        record before it landed, and have cleared the customer since.
        """
        done = await self.turn.settle(settlements, today=self.today)
        for each, outcome in zip(settlements, done, strict=True):
            self.journal.settled(each, outcome)
        pairs = zip(settlements, done, strict=True)
        await self.requeue(each.mark for each, outcome in pairs if each.is_sent and outcome != "done")
        _end_where_refused(done)

    async def requeue(self, lost: Iterable[Mark]) -> None:
        """A new mark for each, as they are now or with none: only that makes every earlier reading void."""
        customers = {mark.customer: mark.lane for mark in lost}
        lanes: tuple[dirty.Lane, ...] = ("live", "bulk")
        for lane in lanes:
            of_lane = [one for one, its in customers.items() if its == lane]
            await dirty.mark_dirty_customers(self.redis, self.turn.org, of_lane, cause="requeue", lane=lane)
        if customers:
            structlog.get_logger().info("requeued", org=self.turn.org, customers=len(customers))

    def rests(self, breaker: CircuitBreaker) -> bool:
        """Do calls of this kind rest? Then the next turn comes when they do not."""
        if breaker.open_until_ms <= self.turn.now_ms:
            return False
        self.wait(breaker.open_until_ms - self.turn.now_ms)
        return True

    def wait_for_room(self, wait_s: float) -> None:
        """Come back when some calls have leaked (2 s), not for each single one."""
        self.wait(max(int(wait_s * 1000), refill_ms(self.bucket)))

    def wait(self, ms: int) -> None:
        """The next turn is to come in about this time: the soonest of all reasons to wait."""
        if ms > 0:
            self.wait_ms = ms if not self.wait_ms else min(self.wait_ms, ms)

    def state_changes(self) -> dict[str, str]:
        """What the shop's state becomes; an empty text removes a field."""
        return {
            **_kept("read", self.reads),
            **_kept("write", self.writes),
            "single_reads_until": str(self.single_reads_until_ms or ""),
            "live_backlog": "1" if self.live_backlog else "",
            **self.journal.state_changes(),
        }


def refill_ms(bucket: RateLimiter) -> int:
    """How long it takes until some calls have leaked."""
    return int(LEAKED_CALLS / bucket.leak_per_s * 1000)


def _end_where_refused(done: Sequence[Outcome]) -> None:
    if "lease_lost" in done:
        raise LeaseLost("the lease was lost before a settlement")
    if "version_changed" in done:
        raise DrainStopped("version_changed")
    if "shadow_changed" in done:
        raise DrainStopped("shadow_changed")


def _breaker(state: Mapping[str, str], kind: str, *, now_ms: int) -> CircuitBreaker:
    return CircuitBreaker(
        failures=int(state.get(f"{kind}_failures", 0)),
        # the store's clock may have been set back since
        open_until_ms=min(int(state.get(f"{kind}_open_until", 0)), now_ms + LONGEST_REST_MS),
        failing_customer=state.get(f"{kind}_failing", ""),
    )


def _kept(kind: str, breaker: CircuitBreaker) -> dict[str, str]:
    return {
        f"{kind}_failures": str(breaker.failures or ""),
        f"{kind}_open_until": str(breaker.open_until_ms or ""),
        f"{kind}_failing": breaker.failing_customer,
    }
