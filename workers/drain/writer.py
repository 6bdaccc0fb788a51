"""Writes tags: executes the plans of one drain, at most one POST and then one DELETE for each customer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from service.domain.customers import CustomerId, fold
from service.domain.sync import SEVERAL_CUSTOMERS, CircuitBreaker
from service.errors import (
    AccessDenied,
    ApiUnavailable,
    CustomerNotFound,
    HaravanError,
    MalformedData,
    RateLimited,
    RequestRejected,
    TokenRejected,
)
from service.runtime import LateTasks, span
from service.store.queue import BATCH_SIZE, LeaseLost, Mark, Settlement
from workers.drain.context import LATE_AFTER_S, DrainContext, DrainStopped
from workers.drain.pause import MAX_DENIED_IN_A_ROW, is_denied_to_shop, rejection_of_shop
from workers.drain.permits import PermitRefused, WritePermits
from workers.drain.settlement import (
    PLAN_TTL_MS,
    WRITTEN,
    WritePlan,
    after_bug,
    after_failure,
    after_mismatch,
    after_not_found,
    after_success,
    decode_plan,
    is_expected_removal,
    requeue,
)
from workers.haravan import RateLimitExceeded
from workers.store_outage import describe_outage

CONCURRENCY: Final = 8  # writes of one shop in flight
REMOVALS_RETRY_MS: Final = 300_000
EXPECTED_REMOVAL: Final = (
    -1
)  # in place of the number of owners: the removal guard does not count these removals
REMOVAL_GUARD: Final = "removal_guard"  # the reason of the pause, as permit.lua stores it
MAX_REJECTED_IN_A_ROW: Final = 5
REJECTED_WAIT_MS: Final = 600_000
MISMATCH: Final = "mismatch"
BY_SEVERITY: Final = (LeaseLost, TokenRejected, RateLimited)


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of one plan. `outcome` is a word for the log.

    `settlement` is None if the plan was denied or stopped: the customer keeps its mark. `is_sent`: a request went out,
    so the customer must be read again unless it is settled. `stop` ends the whole drain.
    """

    mark: Mark
    outcome: str
    settlement: Settlement | None = None
    failure: HaravanError | None = None
    is_sent: bool = False
    stop: Exception | None = None


class Writer:
    """Executes the plans of one drain in small batches. A write that takes long is settled once it has ended."""

    def __init__(self, context: DrainContext) -> None:
        self._context = context
        self._plans = PlanWriter(context)
        self._writes: LateTasks[CustomerId, WriteResult] = LateTasks(
            late_after_s=LATE_AFTER_S, max_late=CONCURRENCY
        )
        self._has_no_room = False  # for the last writes
        self._stop: TokenRejected | None = None  # several customers in a row were denied

    @property
    def late(self) -> Sequence[asyncio.Task[WriteResult]]:
        """The writes that take long."""
        return list(self._writes.late.values())

    async def write_batch(self) -> bool:
        """Execute and settle some plans, and settle late writes that have ended. False if there was neither.

        Raises LeaseLost, DrainStopped, RateLimited and TokenRejected, after everything that has ended is settled.
        """
        ended = await self._conclude(self._writes.collect().values())
        return await self._write_batch() or ended

    async def finish(self) -> None:
        """Wait until the late writes have ended, and settle them. Raises as `write_batch` does."""
        await self._conclude((await self._writes.collect_all()).values())

    async def close(self) -> None:
        """Cancel the late writes: the process stops. The next drain finds that their plans are in doubt."""
        await self._writes.cancel()

    async def _write_batch(self) -> bool:
        context = self._context
        if context.is_blocked(context.write_breaker):
            return False
        # After an outage or a denied access, one write goes first. While the rate limit has no room, one is enough to ask.
        was_denied = len(context.log.rejected_writes.customers) >= MAX_DENIED_IN_A_ROW
        one_only = context.write_breaker.is_tripped or was_denied or self._has_no_room
        planned = await self._load_plans((1 if one_only else CONCURRENCY) - len(self._writes.late))
        if any(plan is None for _, plan in planned):
            return not context.live_backlog and await self._requeue_stale()
        with await self._span(planned):
            executed = await self._writes.run(
                {mark.customer: self._plans.execute(mark, plan) for mark, plan in planned if plan is not None}
            )
        return await self._conclude(executed.values())

    async def _span(self, planned: Sequence[tuple[Mark, WritePlan | None]]) -> AbstractContextManager[object]:
        """The span of these writes, if there are any."""
        if not planned:
            return nullcontext()
        links = await self._context.traceparents([mark for mark, _ in planned])
        return span("drain.write", {"tagger.customers": len(planned)}, links=links)

    async def _conclude(self, ended: Iterable[asyncio.Task[WriteResult]]) -> bool:
        """Settle writes that have ended. False if nothing was written, and nothing else may be."""
        outcomes = await asyncio.gather(*ended, return_exceptions=True)
        results = [outcome for outcome in outcomes if isinstance(outcome, WriteResult)]
        if results:
            self._has_no_room = any(isinstance(result.stop, RateLimitExceeded) for result in results)
        await self._settle(results)
        self._stop_if_needed(results, [outcome for outcome in outcomes if isinstance(outcome, BaseException)])
        return any(result.settlement is not None or result.stop is None for result in results)

    async def _load_plans(self, limit: int) -> list[tuple[Mark, WritePlan | None]]:
        """The oldest plans, without those of late writes.

        None for a plan that is too old, unreadable, or older than shadow mode.
        """
        context, late = self._context, self._writes.late
        if limit < 1:
            return []
        planned = await context.lease.planned_writes(limit=limit + len(late))
        return [
            (mark, None if context.is_silent else _decode_plan(packed, now_ms=context.lease.now_ms))
            for mark, packed in planned
            if mark.customer not in late
        ][:limit]

    async def _requeue_stale(self) -> bool:
        """Requeue a whole batch of stale plans, so that one call reads their customers."""
        planned = await self._load_plans(BATCH_SIZE)
        stale = [mark for mark, plan in planned if plan is None]
        await self._context.settle([requeue(mark, note="plan_expired") for mark in stale])
        return True

    async def _settle(self, results: Sequence[WriteResult]) -> None:
        for result in _breaker_signals(results):
            self._update_breaker(result)
        unsettled = [result for result in results if result.settlement is None]
        self._context.log.count_denied(result.outcome for result in unsettled if result.stop is None)
        await self._context.requeue(result.mark for result in unsettled if result.is_sent)
        if any(result.outcome == "removals_paused" for result in results):
            await self._alert_removal_guard()
        await self._context.settle(
            [
                msgspec.structs.replace(
                    result.settlement,
                    note=result.settlement.note or result.outcome,
                    is_sent=result.is_sent,
                )
                for result in results
                if result.settlement is not None
            ]
        )

    def _stop_if_needed(self, results: Sequence[WriteResult], errors: Sequence[BaseException]) -> None:
        stops = [result.stop for result in results if result.stop is not None]
        for stop in stops:
            if isinstance(stop, RateLimitExceeded):
                self._context.wait_for_rate_limit(stop.wait_s)
        for kind in BY_SEVERITY:
            for stop in stops:
                if isinstance(stop, kind):
                    raise stop
        if errors:
            raise errors[0]
        if self._stop is not None:
            raise self._stop
        for result in results:
            if result.outcome == "paused":
                raise DrainStopped("paused")
            if result.outcome in ("shadow_mode", "frozen"):
                raise DrainStopped("shadow_changed")

    def _update_breaker(self, result: WriteResult) -> None:
        context = self._context
        if result.outcome in (WRITTEN, MISMATCH):
            context.write_breaker = context.write_breaker.record_success()
        elif isinstance(result.failure, RequestRejected):
            self._count_rejection(result.mark, result.failure)
        elif result.failure is not None:
            context.write_breaker = context.write_breaker.record_failure(
                now_ms=context.lease.now_ms, customer=str(result.mark.customer)
            )

    def _count_rejection(self, mark: Mark, failure: RequestRejected) -> None:
        """The same rejection of several customers in a row concerns the shop: it pauses, or all its writes wait."""
        context = self._context
        rejected = context.log.rejected_writes.count(str(failure), mark.customer)
        if isinstance(failure, AccessDenied):
            self._stop = rejection_of_shop(failure, customers=rejected)
        elif rejected >= MAX_REJECTED_IN_A_ROW:
            until_ms = context.lease.now_ms + REJECTED_WAIT_MS
            context.write_breaker = CircuitBreaker(rejected, until_ms, SEVERAL_CUSTOMERS)
            context.alerts.raise_alert(
                "writes_rejected",
                f"Haravan rejects the tags of {rejected} customers in a row: {failure}. Writes wait for ten minutes. "
                f"`tagger dead-letters list {context.lease.org}` shows what Haravan says.",
                org=context.lease.org,
            )

    async def _alert_removal_guard(self) -> None:
        """Alert if the removal guard paused the removals. Every other pause sends its own alert."""
        context = self._context
        org = context.lease.org
        if (await context.shops.get_or_raise(org)).removals_paused != REMOVAL_GUARD:
            return
        context.alerts.raise_alert(
            "removal_guard_tripped",
            "more tags were about to be removed within an hour than publishing or the schedule explains. Nothing is "
            f"removed until `tagger shops resume {org} --removals`; tags are added as before.",
            org=org,
        )


class PlanWriter:
    """Executes the plan of one customer."""

    def __init__(self, context: DrainContext) -> None:
        self._context = context

    async def execute(self, mark: Mark, plan: WritePlan) -> WriteResult:
        """Write the tags. Raises only if Redis is away: all other failures are in the result.

        If a swap stops between its two requests, the customer is read again, so that the first is not sent twice.
        """
        permits = self._permits(mark, plan)
        result = await self._attempt(mark, plan, permits)
        if result.stop is not None and permits.sent:
            result = replace(result, settlement=requeue(mark))
        return replace(result, is_sent=permits.sent > 0)

    async def _attempt(self, mark: Mark, plan: WritePlan, permits: WritePermits) -> WriteResult:
        api, lease = self._context.api, self._context.lease
        try:
            tags = await api.perform(
                api.dialect.change_tags(mark.customer, add=plan.add, remove=plan.remove), permits
            )
        except PermitRefused as exc:
            return self._denied(mark, exc)
        except CustomerNotFound:
            return WriteResult(mark, "not_found", after_not_found(mark, now_ms=lease.now_ms))
        except (RateLimitExceeded, LeaseLost, RateLimited, TokenRejected) as exc:
            return WriteResult(mark, "stopped", stop=exc)
        except (HaravanError, MalformedData) as exc:
            return self._failed(mark, exc)
        except Exception as exc:  # a bug of ours concerns this customer, not the whole shop
            if describe_outage(exc) is not None:
                raise
            return WriteResult(mark, "bug", after_bug(mark, exc))
        folded = frozenset(map(fold, tags))
        if folded != frozenset(plan.expected):
            jitter = self._context.jitter()
            mismatch = after_mismatch(mark, plan, tags=folded, now_ms=lease.now_ms, jitter=jitter)
            return WriteResult(mark, MISMATCH, mismatch)
        return WriteResult(mark, WRITTEN, after_success(mark, plan))

    def _permits(self, mark: Mark, plan: WritePlan) -> WritePermits:
        context = self._context
        return WritePermits(
            context.lease,
            context.rate_limiter,
            mark=mark,
            # In a live backlog reads go before writes, because one read serves fifty customers.
            lane="bulk" if context.live_backlog else mark.lane,
            version=plan.version,
            decided_ms=plan.decided_ms,
            intents=plan.intents,
            removals=len(plan.remove),
            owners=EXPECTED_REMOVAL if is_expected_removal(mark) else context.lease.owners,
            reserve=context.shop.reserve,
        )

    def _denied(self, mark: Mark, exc: PermitRefused) -> WriteResult:
        if exc.reason != "removals_paused":
            return WriteResult(mark, exc.reason)
        due_ms = self._context.lease.now_ms + REMOVALS_RETRY_MS
        return WriteResult(mark, exc.reason, Settlement(op="delay", mark=mark, due_ms=due_ms))

    def _failed(self, mark: Mark, exc: HaravanError | MalformedData) -> WriteResult:
        context = self._context
        failure = exc if isinstance(exc, HaravanError) else ApiUnavailable(exc.message)
        now_ms = context.lease.now_ms
        counted = context.write_breaker.blames_customer(first_ms=mark.enqueued_ms, now_ms=now_ms)
        counted &= not is_denied_to_shop(failure, context.log.rejected_writes)
        retry = after_failure(mark, failure, counted=counted, now_ms=now_ms, jitter=context.jitter())
        return WriteResult(mark, "failed", retry, failure)


def _decode_plan(packed: bytes, *, now_ms: int) -> WritePlan | None:
    """None if the plan is too old, or cannot be read because another release made it."""
    try:
        plan = decode_plan(packed)
    except msgspec.MsgspecError:
        return None
    return plan if now_ms - plan.decided_ms <= PLAN_TTL_MS else None


def _breaker_signals(results: Sequence[WriteResult]) -> list[WriteResult]:
    """The results that update the circuit breaker, in this order: rejections, one failure of the shop, the others.

    Only one failure counts, because one broken connection fails all requests in flight. A success comes last, because
    it closes the breaker.
    """
    failures = [result for result in results if result.failure is not None]
    rejections = [result for result in failures if isinstance(result.failure, RequestRejected)]
    shop_failures = [result for result in failures if not isinstance(result.failure, RequestRejected)]
    return [*rejections, *shop_failures[:1], *(result for result in results if result.failure is None)]
