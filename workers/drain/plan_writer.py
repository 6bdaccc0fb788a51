"""Carrying out plans: for each customer at most one POST and then one DELETE, each under a permit of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from redis.exceptions import RedisError

from service.domain.customers import fold
from service.domain.sync import DELETION_CONFIRM_S, CircuitBreaker
from service.errors import CustomerNotFound, HaravanError, MalformedData, RateLimited, TokenRejected
from service.store.queue import LeaseLost, Mark, RateLimiter, Settlement, ShopLease
from workers.drain import plans, settlement
from workers.drain.permits import PermitRefused, WritePermits
from workers.drain.plans import WRITTEN, WritePlan
from workers.haravan import Haravan, RateLimitExceeded

EXPECTED_CAUSES: Final = (
    -1
)  # in place of the customers with tags of ours: the removal guard does not count these removals
REMOVALS_RETRY_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What came of one plan: its settlement (None where there is none to make), and for the log.

    `sent`: a write went out, so whatever is not settled must be looked at again. `stop`: what ends the turn.
    """

    mark: Mark
    outcome: str
    settlement: Settlement | None = None
    failure: HaravanError | None = None
    sent: bool = False
    stop: Exception | None = None


class PlanWriter:
    """Writes for one turn. Raises nothing but want of the store: all else is told in Carried."""

    def __init__(
        self,
        turn: ShopLease,
        api: Haravan,
        bucket: RateLimiter,
        *,
        ours: int,
        reserve: int,
        breaker: CircuitBreaker,
        jitter: Callable[[], float],
    ) -> None:
        self._turn = turn
        self._api = api
        self._bucket = bucket
        self._ours = ours
        self._reserve = reserve
        self._breaker = breaker
        self._jitter = jitter

    async def execute(self, mark: Mark, plan: WritePlan) -> WriteResult:
        """Write one customer's difference. The halves of a swap are two calls: if the second may not be made
        now, the customer is read again, so that the first is not made twice."""
        permits = self._permits(mark, plan)
        carried = await self._tried(mark, plan, permits)
        if carried.stop is not None and permits.sent:
            carried = replace(carried, settlement=settlement.requeue(mark))
        return replace(carried, sent=permits.sent > 0)

    async def _tried(self, mark: Mark, plan: WritePlan, permits: WritePermits) -> WriteResult:
        try:
            answered = await self._api.perform(
                self._api.dialect.change_tags(mark.customer, add=plan.add, remove=plan.remove), permits
            )
        except PermitRefused as exc:
            return self._refused(mark, exc)
        except CustomerNotFound:
            return WriteResult(mark, "gone", self._gone(mark))
        except (RateLimitExceeded, LeaseLost, RateLimited, TokenRejected) as exc:
            return WriteResult(mark, "stopped", stop=exc)
        except (HaravanError, MalformedData) as exc:
            return self._failed(mark, exc)
        except (RedisError, OSError):
            raise
        except Exception as exc:  # noqa: BLE001  # a bug of ours is this customer's dead letter, not the shop's end
            return WriteResult(mark, "bug", settlement.dead_letter(mark, cause="bug", text=last_frames(exc)))
        return self._answered(mark, plan, answered)

    def _answered(self, mark: Mark, plan: WritePlan, answered: tuple[str, ...]) -> WriteResult:
        tags = frozenset(map(fold, answered))
        if tags != frozenset(plan.expected):
            mismatch = plans.after_mismatch(mark, plan, answered=tags, now_ms=self._turn.now_ms)
            return WriteResult(mark, "disagrees", mismatch)
        return WriteResult(mark, WRITTEN, plans.after_success(mark, plan))

    def _permits(self, mark: Mark, plan: WritePlan) -> WritePermits:
        return WritePermits(
            self._turn,
            self._bucket,
            mark=mark,
            version=plan.version,
            decided_ms=plan.decided_ms,
            intents=plan.intents,
            removals=len(plan.remove),
            ours=EXPECTED_CAUSES if settlement.is_expected_removal(mark) else self._ours,
            reserve=self._reserve,
        )

    def _refused(self, mark: Mark, exc: PermitRefused) -> WriteResult:
        if exc.why != "removals_paused":
            return WriteResult(mark, exc.why)
        waits = Settlement(op="delay", mark=mark, due_ms=self._turn.now_ms + REMOVALS_RETRY_MS)
        return WriteResult(mark, exc.why, waits)

    def _gone(self, mark: Mark) -> Settlement:
        due = self._turn.now_ms + int(DELETION_CONFIRM_S * 1000)
        fields = {"missing_since_ms": str(mark.missing_since_ms or self._turn.now_ms)}
        return Settlement(op="delay", mark=mark, due_ms=due, mark_fields=fields)

    def _failed(self, mark: Mark, exc: HaravanError | MalformedData) -> WriteResult:
        failure = exc if isinstance(exc, HaravanError) else HaravanError(str(exc))
        now_ms = self._turn.now_ms
        counted = self._breaker.blames_customer(first_ms=mark.enqueued_ms, now_ms=now_ms)
        after = settlement.after_failure(mark, failure, counted=counted, now_ms=now_ms, jitter=self._jitter())
        return WriteResult(mark, "failed", after, failure)


def last_frames(exc: BaseException, *, most: int = 3) -> str:
    """Where a bug of ours is: the last frames, without the values."""
    frames = traceback.extract_tb(exc.__traceback__)[-most:]
    return f"{type(exc).__name__} at " + " < ".join(
        f"{one.filename.rpartition('/')[2]}:{one.lineno}" for one in reversed(frames)
    )
