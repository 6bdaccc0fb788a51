"""Reads customers: dequeues a batch, fetches it, evaluates each customer, and settles it or makes a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.domain.customers import Customer, CustomerId
from service.domain.sync import (
    MAX_FAILED_DRAINS,
    SEVERAL_CUSTOMERS,
    STALE_READ_BACKOFF_S,
    BatchContext,
    MarkContext,
    Outcome,
    evaluate_customer,
    evaluate_missing,
    is_stale,
    too_many_deletions,
)
from service.errors import AccessDenied, HaravanError, RateLimited, TokenRejected
from service.runtime import LateTasks, span
from service.store.customers import (
    StoredCustomer,
    kept_fields,
    last_snapshot,
    load_states,
    seal_snapshot,
    to_stored_state,
)
from service.store.queue import BATCH_SIZE, Lane, Mark, Settlement
from workers.drain.context import LATE_AFTER_S, DrainContext, DrainStopped
from workers.drain.fetcher import MAX_SINGLE_READS, Fetched, Fetcher
from workers.drain.pause import is_denied_to_shop, pause_for_mass_404, rejection_of_shop
from workers.drain.permits import ReadPermits
from workers.drain.settlement import (
    after_bug,
    after_failed_drains,
    after_failure,
    after_unreadable,
    settlement_for,
    while_late,
)
from workers.haravan import RateLimitExceeded

SINGLE_READS_MS: Final = 900_000  # after a list that did not match the request
SINGLE_READS_BATCH: Final = MAX_SINGLE_READS  # as many as the rate limit allows in the time of a drain
LIVE_BACKLOG_SIZE: Final = BATCH_SIZE * 9 // 10  # a tenth of a batch is for the bulk lane


@dataclass(frozen=True, slots=True)
class Dequeued:
    """Customers that were dequeued together, with what is stored of them. They are evaluated as of `now_ms`."""

    marks: Sequence[Mark]
    stored: Mapping[CustomerId, StoredCustomer]
    now_ms: int

    def only(self, mark: Mark) -> Dequeued:
        """One of the customers."""
        return Dequeued([mark], {mark.customer: self.stored[mark.customer]}, self.now_ms)


class Reader:
    """Reads for one drain, batch by batch. A read that takes long is settled once it has ended."""

    def __init__(self, context: DrainContext) -> None:
        self._context = context
        self._reads: LateTasks[CustomerId, Fetched] = LateTasks(
            late_after_s=LATE_AFTER_S, max_late=MAX_SINGLE_READS
        )
        self._late: dict[CustomerId, Dequeued] = {}
        self._requested = 0
        self._missing = 0  # first 404s

    @property
    def late(self) -> Sequence[asyncio.Task[Fetched]]:
        """The reads that take long."""
        return list(self._reads.late.values())

    async def read_batch(self) -> bool:
        """Settle the late reads that have ended, then read and settle one batch. False if there was neither.

        There is no batch if nothing is ready, or there is no room for a read. Raises LeaseLost and DrainStopped. Raises
        RateLimited and TokenRejected after all that was read is settled.
        """
        ended = self._reads.collect()
        for customer, read in ended.items():
            await self._conclude(self._late.pop(customer), read.result())
        return await self._read_batch() or bool(ended)

    async def close(self) -> None:
        """Cancel the late reads. Their customers are settled as after a failure."""
        await self._reads.cancel()

    async def _read_batch(self) -> bool:
        context = self._context
        if context.is_blocked(context.read_breaker):
            return False
        if context.read_breaker.is_tripped and not await self._probe_api():
            return False
        marks, linger_ms = await context.lease.dequeue(limit=self._batch_size())
        context.live_backlog = sum(mark.lane == "live" for mark in marks) >= LIVE_BACKLOG_SIZE
        if not marks:
            context.wait(linger_ms)
            return False
        if (
            marks[0].failed_drains >= MAX_FAILED_DRAINS
        ):  # it is alone, and another read would end this drain, too
            await context.settle([after_failed_drains(mark) for mark in marks])
            return True
        links = await context.traceparents(marks)
        with span("drain.read", {"tagger.customers": len(marks)}, links=links):
            return await self._read(marks)

    async def _read(self, marks: Sequence[Mark]) -> bool:
        """Fetch, evaluate and settle these customers. False if none was requested."""
        context = self._context
        stored = await load_states(context.redis, context.lease.org, [mark.customer for mark in marks])
        dequeued = Dequeued(marks, stored, context.lease.now_ms)
        return await self._conclude(dequeued, await self._fetch(marks))

    async def _conclude(self, dequeued: Dequeued, fetched: Fetched) -> bool:
        """Evaluate and settle what was fetched. False if nothing was."""
        for mark in dequeued.marks:
            if mark.customer in fetched.late:
                self._late.setdefault(mark.customer, dequeued.only(mark))
        self._count_missing(dequeued, fetched)
        settlements = self._evaluate_all(dequeued, fetched)
        await self._settle(settlements)
        if fetched.stop is not None:
            raise fetched.stop
        return bool(settlements)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle the batch. After too many 404s, believe no deletion and pause the shop: a person must check."""
        context = self._context
        if not too_many_deletions(missing=self._missing, requested=self._requested):
            await context.settle(settlements)
            return
        await context.settle([settlement for settlement in settlements if settlement.op != "delete"])
        await pause_for_mass_404(
            context.shops,
            context.alerts,
            context.lease.org,
            missing=self._missing,
            requested=self._requested,
        )
        raise DrainStopped("paused")

    async def _probe_api(self) -> bool:
        """Send one cheap read after an outage. If it fails, no customer loses an attempt."""
        context = self._context
        permits = self._permits("live")
        try:
            await context.api.perform(context.api.dialect.page(limit=1), permits)
        except RateLimitExceeded as exc:
            context.wait_for_rate_limit(exc.wait_s)
            return False
        except (RateLimited, TokenRejected):
            raise
        except HaravanError:
            context.read_breaker = context.read_breaker.record_failure(now_ms=context.lease.now_ms)
            context.is_blocked(context.read_breaker)
            return False
        context.read_breaker = context.read_breaker.record_success()
        return True

    # fetching

    def _single_reads(self) -> bool:
        context = self._context
        return context.single_reads_until_ms > context.lease.now_ms or context.api.dialect.batch < 2

    def _batch_size(self) -> int:
        return SINGLE_READS_BATCH if self._single_reads() else BATCH_SIZE

    def _permits(self, lane: Lane) -> ReadPermits:
        context = self._context
        return ReadPermits(context.lease, context.rate_limiter, lane=lane, reserve=context.shop.reserve)

    async def _fetch(self, marks: Sequence[Mark]) -> Fetched:
        context = self._context
        permits = self._permits("live" if any(mark.lane == "live" for mark in marks) else "bulk")
        fetcher = Fetcher(context.api, permits, self._reads, single_reads=self._single_reads())
        fetched = await fetcher.fetch(marks)
        if not fetched.is_stopped:
            stale = [mark.customer for mark in marks if _needs_single_read(mark, fetched)]
            fetched.merge(await fetcher.fetch_alone(stale))
        if fetched.mismatched:
            context.single_reads_until_ms = context.lease.now_ms + SINGLE_READS_MS
            context.counters.add("list_mismatches")
            context.log.counts["list_mismatches"] += 1
        if fetched.wait_s is not None:
            context.wait_for_rate_limit(fetched.wait_s)
        return fetched

    def _count_missing(self, dequeued: Dequeued, fetched: Fetched) -> None:
        """Count the first 404s of customers that we have seen and whose deletion no webhook reported.

        A 404 of a customer that was never seen says nothing about the token: a webhook of another shop may have
        marked it, because the shop's id in the headers is not signed.
        """
        unreported = [
            mark
            for mark in dequeued.marks
            if mark.customer not in fetched.late
            and dequeued.stored[mark.customer].snapshot is not None
            and "deletion" not in mark.reasons.split(",")
        ]
        self._requested += len(unreported)
        self._missing += sum(
            mark.customer in fetched.missing and not mark.missing_since_ms for mark in unreported
        )

    # evaluating

    def _evaluate_all(self, dequeued: Dequeued, fetched: Fetched) -> list[Settlement]:
        context = self._context
        self._update_breaker(fetched)
        batch = BatchContext(
            rules=context.rules,
            version=context.lease.version,
            now_ms=dequeued.now_ms,
            today=context.today,
            shadow=context.is_silent,
        )
        evaluated = (
            self._evaluate(mark, fetched, dequeued.stored[mark.customer], batch) for mark in dequeued.marks
        )
        return [settlement for settlement in evaluated if settlement is not None]

    def _update_breaker(self, fetched: Fetched) -> None:
        context = self._context
        for customer, failure in fetched.failed.items():
            if isinstance(failure, AccessDenied):
                customers = context.log.rejected_reads.count(str(failure), customer)
                fetched.stop = fetched.stop or rejection_of_shop(failure, customers=customers)
        if fetched.successful_calls:  # the shop answers: other failures are not its fault
            context.read_breaker = context.read_breaker.record_success()
            context.log.rejected_reads.reset()
        elif fetched.failed:
            failing = [str(customer) for customer in fetched.failed]
            context.read_breaker = context.read_breaker.record_failure(
                now_ms=context.lease.now_ms, customer=failing[0] if len(failing) == 1 else SEVERAL_CUSTOMERS
            )

    def _evaluate(
        self, mark: Mark, fetched: Fetched, stored: StoredCustomer, batch: BatchContext
    ) -> Settlement | None:
        """The settlement of one customer; None if it was not requested."""
        if mark.customer in fetched.failed:
            return self._failed(mark, fetched)
        if mark.customer in fetched.late:
            context, now_ms = self._context, self._context.lease.now_ms
            counted = context.read_breaker.blames_customer(first_ms=mark.enqueued_ms, now_ms=now_ms)
            return while_late(mark, counted=counted, now_ms=now_ms, jitter=context.jitter())
        if reason := fetched.unreadable.get(mark.customer):
            return after_unreadable(mark, reason)
        try:
            outcome: Outcome
            if mark.customer in fetched.missing:
                outcome = evaluate_missing(_mark_context(mark), now_ms=batch.now_ms)
            elif mark.customer in fetched.records:
                record = fetched.records[mark.customer]
                outcome = evaluate_customer(_mark_context(mark), record, to_stored_state(stored), batch)
            else:
                return None
            return settlement_for(
                mark,
                outcome,
                version=batch.version,
                now_ms=batch.now_ms,
                seal=self._seal,
                previous=last_snapshot(stored),
            )
        except Exception as exc:  # noqa: BLE001  # a bug of ours concerns this customer, not the whole shop
            return after_bug(mark, exc)

    def _seal(self, customer: Customer) -> bytes:
        """The customer's snapshot, with the personal fields that the live rules read."""
        context = self._context
        return seal_snapshot(customer, context.shop.cipher, kept=kept_fields(context.rules.required_keys))

    def _failed(self, mark: Mark, fetched: Fetched) -> Settlement:
        context, failure, now_ms = self._context, fetched.failed[mark.customer], self._context.lease.now_ms
        counted = context.read_breaker.blames_customer(first_ms=mark.enqueued_ms, now_ms=now_ms)
        return after_failure(
            mark,
            failure,
            counted=counted and not is_denied_to_shop(failure, context.log.rejected_reads),
            now_ms=now_ms,
            jitter=context.jitter(),
            single=mark.customer not in fetched.batched,
        )


def _needs_single_read(mark: Mark, fetched: Fetched) -> bool:
    """Whether a stale record of a list is worth a single read: at the first time, and before the record is believed."""
    if mark.customer not in fetched.listed or mark.stale_reads not in (0, len(STALE_READ_BACKOFF_S)):
        return False
    try:
        return is_stale(_mark_context(mark), fetched.records[mark.customer].customer)
    except Exception:  # noqa: BLE001  # a bug concerns this customer: its evaluation meets and records it
        return False


def _mark_context(mark: Mark) -> MarkContext:
    return MarkContext(
        expected_updated_ms=mark.updated_ms,
        stale_reads=mark.stale_reads,
        missing_since_ms=mark.missing_since_ms,
    )
