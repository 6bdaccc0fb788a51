"""The reading half of a turn: take a batch, fetch it, judge each customer, settle or plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.domain.customers import CustomerId
from service.domain.sync import (
    STALE_READ_BACKOFF_S,
    BatchContext,
    MarkContext,
    Outcome,
    evaluate_customer,
    evaluate_missing,
    is_stale,
    too_many_deletions,
)
from service.errors import HaravanError, RateLimited, TokenRejected
from service.store.customers import StoredCustomer, last_snapshot, state, to_stored_state
from service.store.queue import BATCH_SIZE, Lane, Mark, Settlement
from workers.drain import settlement
from workers.drain.context import DrainContext, DrainStopped
from workers.drain.fetcher import Fetched, Fetcher, merge
from workers.drain.pause import pause_for_mass_404
from workers.drain.permits import ReadPermits
from workers.drain.plan_writer import last_frames
from workers.haravan import RateLimitExceeded

SINGLES_FOR_MS = 900_000
SINGLES_TAKEN = 8  # one by one: as many as leak in a turn's time


class Reader:
    """Reads for one turn, batch by batch."""

    def __init__(self, work: DrainContext) -> None:
        self._work = work
        self._asked = 0
        self._gone = 0

    async def read_batch(self) -> bool:
        """Fetch and settle one batch; False when there was nothing to read or no room for it.

        Raises LockLost, TurnOver, Throttled and Unauthorised, the last two when all that was answered is settled.
        """
        work = self._work
        if work.rests(work.reads) or (work.reads.is_tripped and not await self._is_back()):
            return False
        taken, linger_ms = await work.turn.dequeue(most=self._most())
        lives = sum(mark.lane == "live" for mark in taken)
        work.live_backlog = lives * 10 >= BATCH_SIZE * 9  # a tenth is bulk's
        if not taken:
            work.wait(linger_ms)
            return False
        backgrounds = await state.load_states(work.redis, work.turn.org, [mark.customer for mark in taken])
        fetched = await self._fetch(taken)
        settlements = self._judge_all(taken, fetched, backgrounds)
        await self._settle(settlements)
        if fetched.stop is not None:
            raise fetched.stop
        return bool(settlements)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        """So many customers gone at once: believe no deletion until a person has looked."""
        doubted = too_many_deletions(missing=self._gone, requested=self._asked)
        await self._work.settle([each for each in settlements if not (doubted and each.op == "delete")])
        if doubted:
            work = self._work
            await pause_for_mass_404(
                work.shops, work.alerts, work.turn.org, missing=self._gone, requested=self._asked
            )
            raise DrainStopped("paused")

    async def _is_back(self) -> bool:
        """After an outage one harmless read goes first: its failure costs no customer a try."""
        work = self._work
        permits = ReadPermits(work.turn, work.bucket, lane="live", reserve=work.shop.reserve)
        try:
            await work.api.perform(work.api.dialect.page(limit=1), permits)
        except RateLimitExceeded as exc:
            work.wait_for_room(exc.wait_s)
            return False
        except (RateLimited, TokenRejected):
            raise
        except HaravanError:
            work.reads = work.reads.record_failure(now_ms=work.turn.now_ms)
            work.rests(work.reads)
            return False
        work.reads = work.reads.record_success()
        return True

    # fetching

    def _singles(self) -> bool:
        work = self._work
        return work.single_reads_until_ms > work.turn.now_ms or work.api.dialect.batch < 2

    def _most(self) -> int:
        return SINGLES_TAKEN if self._singles() else BATCH_SIZE

    async def _fetch(self, taken: Sequence[Mark]) -> Fetched:
        work = self._work
        lane: Lane = "live" if any(mark.lane == "live" for mark in taken) else "bulk"
        permits = ReadPermits(work.turn, work.bucket, lane=lane, reserve=work.shop.reserve)
        fetcher = Fetcher(work.api, permits, singles=self._singles())
        fetched = await fetcher.fetch(taken)
        if fetched.stop is None:
            old = [mark.customer for mark in taken if _is_old(mark, fetched)]
            merge(fetched, await fetcher.refetch(old))
        if fetched.mismatched:
            work.single_reads_until_ms = work.turn.now_ms + SINGLES_FOR_MS
            work.counters.add("list_mismatches", org=work.turn.org)
        if fetched.wait_s is not None:
            work.wait_for_room(fetched.wait_s)
        unannounced = [mark for mark in taken if "deletion" not in mark.reasons.split(",")]
        self._asked += len(unannounced)
        self._gone += sum(
            mark.customer in fetched.absent and not mark.missing_since_ms for mark in unannounced
        )
        return fetched

    # judging

    def _judge_all(
        self, taken: Sequence[Mark], fetched: Fetched, backgrounds: Mapping[CustomerId, StoredCustomer]
    ) -> list[Settlement]:
        work = self._work
        if fetched.calls:  # some were answered: what failed is not the shop's fault
            work.reads = work.reads.record_success()
        elif fetched.failed:
            work.reads = work.reads.record_failure(now_ms=work.turn.now_ms)
        batch = BatchContext(
            rules=work.compiled,
            version=work.turn.version,
            now_ms=work.turn.now_ms,
            today=work.today,
            shadow=work.shop.shadow,
        )
        judged = (self._judge(mark, fetched, backgrounds[mark.customer], batch) for mark in taken)
        return [each for each in judged if each is not None]

    def _judge(
        self, mark: Mark, fetched: Fetched, stored: StoredCustomer, batch: BatchContext
    ) -> Settlement | None:
        """One customer's settlement, or None when nobody asked for it: there was no room, or a stop."""
        if mark.customer in fetched.failed:
            return self._failed(mark, fetched, now_ms=batch.now_ms)
        if why := fetched.unreadable.get(mark.customer):
            return settlement.dead_letter(mark, cause="unreadable", text=why)
        try:
            outcome: Outcome
            if mark.customer in fetched.absent:
                outcome = evaluate_missing(_mark_context(mark), now_ms=batch.now_ms)
            elif mark.customer in fetched.records:
                outcome = evaluate_customer(
                    _mark_context(mark), fetched.records[mark.customer], to_stored_state(stored), batch
                )
            else:
                return None
            return settlement.settlement_for(
                mark, outcome, version=batch.version, now_ms=batch.now_ms, seen=last_snapshot(stored)
            )
        except Exception as exc:  # noqa: BLE001  # a bug of ours is this customer's dead letter, not the shop's end
            return settlement.dead_letter(mark, cause="bug", text=last_frames(exc))

    def _failed(self, mark: Mark, fetched: Fetched, *, now_ms: int) -> Settlement:
        return settlement.after_failure(
            mark,
            fetched.failed[mark.customer],
            counted=self._work.reads.blames_customer(first_ms=mark.enqueued_ms, now_ms=now_ms),
            now_ms=now_ms,
            dice=self._work.dice(),
            alone=mark.customer not in fetched.batched,
        )


def _is_old(mark: Mark, fetched: Fetched) -> bool:
    """Is a second look by a single GET worth its call? At first, and before the record is believed."""
    if mark.customer not in fetched.listed or mark.stale_reads not in (0, len(STALE_READ_BACKOFF_S)):
        return False
    return is_stale(_mark_context(mark), fetched.records[mark.customer].customer)


def _mark_context(mark: Mark) -> MarkContext:
    return MarkContext(
        expected_updated_ms=mark.updated_ms,
        stale_reads=mark.stale_reads,
        missing_since_ms=mark.missing_since_ms,
    )
