"""The reading half of a turn: take a batch, fetch it, judge each customer, settle or plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.domain.customers import CustomerId
from service.domain.failures import LAG_WAITS_S, too_many_gone
from service.domain.judgement import (
    BatchContext,
    MarkContext,
    Outcome,
    evaluate_customer,
    evaluate_missing,
    is_stale,
)
from service.errors import HaravanError, Throttled, Unauthorised
from service.store import kept
from service.store.background import background, last_seen
from service.store.kept import Kept
from service.store.marks import Lane
from service.store.settlements import Mark
from service.store.turns import MOST_TAKEN
from workers import outcomes
from workers.fetch import Fetched, Fetcher, merge
from workers.haravan.pacer import NoRoom
from workers.pausing import pause_for_absence
from workers.permits import ReadPermits
from workers.turn import Settlement, TurnOfShop, TurnOver
from workers.write import last_frames

SINGLES_FOR_MS = 900_000
SINGLES_TAKEN = 8  # one by one: as many as leak in a turn's time
LINGER_MS = 2000


class Reading:
    """Reads for one turn, batch by batch."""

    def __init__(self, work: TurnOfShop) -> None:
        self._work = work
        self._asked = 0
        self._gone = 0

    async def read(self) -> bool:
        """Fetch and settle one batch; False when there was nothing to read or no room for it.

        Raises LockLost, TurnOver, Throttled and Unauthorised, the last two when all that was answered is settled.
        """
        work = self._work
        if work.rests(work.reads) or (work.reads.tripped and not await self._is_back()):
            return False
        taken, linger_ms = await work.turn.take(most=self._most(), linger_ms=await self._linger_ms())
        lives = sum(mark.lane == "live" for mark in taken)
        work.crowded = lives * 10 >= MOST_TAKEN * 9  # a tenth is bulk's
        if not taken:
            work.wait(linger_ms)
            return False
        backgrounds = await kept.kept(work.redis, work.turn.org, [mark.customer for mark in taken])
        fetched = await self._fetch(taken)
        settlements = self._judge_all(taken, fetched, backgrounds)
        await self._settle(settlements)
        if fetched.stop is not None:
            raise fetched.stop
        return bool(settlements)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        """So many customers gone at once: believe no deletion until a person has looked."""
        doubted = too_many_gone(gone=self._gone, asked=self._asked)
        await self._work.settle([each for each in settlements if not (doubted and each.item.op == "purge")])
        if doubted:
            work = self._work
            await pause_for_absence(work.shops, work.alerts, work.turn, gone=self._gone, asked=self._asked)
            raise TurnOver("paused")

    async def _is_back(self) -> bool:
        """After an outage one harmless read goes first: its failure costs no customer a try."""
        work = self._work
        permits = ReadPermits(work.turn, work.bucket, lane="live", reserve=work.shop.reserve)
        try:
            await work.api.perform(work.api.dialect.page(limit=1), permits)
        except NoRoom as exc:
            work.wait_for_room(exc.wait_s)
            return False
        except (Throttled, Unauthorised):
            raise
        except HaravanError:
            work.reads = work.reads.failed(now_ms=work.turn.now_ms)
            work.rests(work.reads)
            return False
        work.reads = work.reads.succeeded()
        return True

    # fetching

    def _singles(self) -> bool:
        work = self._work
        return work.singles_until_ms > work.turn.now_ms or work.api.dialect.batch < 2

    def _most(self) -> int:
        return SINGLES_TAKEN if self._singles() else MOST_TAKEN

    async def _linger_ms(self) -> int:
        """None while the bucket is at least three quarters free, up to 2 s as it fills."""
        bucket = await self._work.bucket.level(self._work.turn.org)
        return int(max(0.0, bucket.level / bucket.size - 0.25) / 0.75 * LINGER_MS)

    async def _fetch(self, taken: Sequence[Mark]) -> Fetched:
        work = self._work
        lane: Lane = "live" if any(mark.lane == "live" for mark in taken) else "bulk"
        permits = ReadPermits(work.turn, work.bucket, lane=lane, reserve=work.shop.reserve)
        fetcher = Fetcher(work.api, permits, singles=self._singles())
        fetched = await fetcher.fetch(taken)
        if fetched.stop is None:
            old = [mark.customer for mark in taken if _is_old(mark, fetched)]
            merge(fetched, await fetcher.again(old))
        if fetched.distrusted:
            work.singles_until_ms = work.turn.now_ms + SINGLES_FOR_MS
            work.counters.add("lists_distrusted", org=work.turn.org)
        if fetched.wait_s is not None:
            work.wait_for_room(fetched.wait_s)
        unannounced = [mark for mark in taken if "deletion" not in mark.cause.split(",")]
        self._asked += len(unannounced)
        self._gone += sum(mark.customer in fetched.absent and not mark.gone_ms for mark in unannounced)
        return fetched

    # judging

    def _judge_all(
        self, taken: Sequence[Mark], fetched: Fetched, backgrounds: Mapping[CustomerId, Kept]
    ) -> list[Settlement]:
        work = self._work
        if fetched.calls:  # some were answered: what failed is not the shop's fault
            work.reads = work.reads.succeeded()
        elif fetched.failed:
            work.reads = work.reads.failed(now_ms=work.turn.now_ms)
        batch = BatchContext(
            compiled=work.compiled,
            version=work.turn.version,
            now_ms=work.turn.now_ms,
            today=work.today,
            shadow=work.shop.shadow,
        )
        judged = (self._judge(mark, fetched, backgrounds[mark.customer], batch) for mark in taken)
        return [each for each in judged if each is not None]

    def _judge(self, mark: Mark, fetched: Fetched, stored: Kept, batch: BatchContext) -> Settlement | None:
        """One customer's settlement, or None when nobody asked for it: there was no room, or a stop."""
        if mark.customer in fetched.failed:
            return self._failed(mark, fetched, now_ms=batch.now_ms)
        if why := fetched.unreadable.get(mark.customer):
            return Settlement(mark, outcomes.buried(mark, cause="unreadable", text=why), "unreadable")
        try:
            outcome: Outcome
            if mark.customer in fetched.absent:
                outcome = evaluate_missing(_mark_context(mark), now_ms=batch.now_ms)
            elif mark.customer in fetched.records:
                outcome = evaluate_customer(
                    _mark_context(mark), fetched.records[mark.customer], background(stored), batch
                )
            else:
                return None
            return Settlement(
                mark,
                outcomes.item(
                    mark, outcome, version=batch.version, now_ms=batch.now_ms, seen=last_seen(stored)
                ),
            )
        except Exception as exc:  # noqa: BLE001  # a bug of ours is this customer's dead letter, not the shop's end
            return Settlement(mark, outcomes.buried(mark, cause="bug", text=last_frames(exc)), "bug")

    def _failed(self, mark: Mark, fetched: Fetched, *, now_ms: int) -> Settlement:
        failure = fetched.failed[mark.customer]
        item = outcomes.failed(
            mark,
            failure,
            counted=self._work.reads.counts(first_ms=mark.first_ms, now_ms=now_ms),
            now_ms=now_ms,
            dice=self._work.dice(),
            alone=mark.customer not in fetched.together,
        )
        return Settlement(mark, item, str(failure))


def _is_old(mark: Mark, fetched: Fetched) -> bool:
    """Is a second look by a single GET worth its call? At first, and before the record is believed."""
    if mark.customer not in fetched.listed or mark.lag not in (0, len(LAG_WAITS_S)):
        return False
    return is_stale(_mark_context(mark), fetched.records[mark.customer].customer)


def _mark_context(mark: Mark) -> MarkContext:
    return MarkContext(
        expected_updated_ms=mark.updated_ms, stale_reads=mark.lag, missing_since_ms=mark.gone_ms
    )
