"""The writing half of a turn: carry out some plans at once, judge how the calls went, settle their customers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from service.domain.sync import SEVERAL_CUSTOMERS, CircuitBreaker
from service.errors import RateLimited, RequestRejected, TokenRejected
from service.store.queue import BATCH_SIZE, LeaseLost, Mark
from workers.drain import plans, settlement
from workers.drain.context import DrainContext, DrainStopped
from workers.drain.plan_writer import PlanWriter, WriteResult
from workers.drain.plans import PLAN_MS, WritePlan
from workers.haravan import RateLimitExceeded

WRITES: Final = 8  # on the way at once, for one shop
GUARD: Final = "removal_guard"  # the reason of the pause, as permit.lua sets it
REJECTED_IN_A_ROW: Final = 5
REJECTED_REST_MS: Final = 600_000
BY_SEVERITY: Final = (LeaseLost, TokenRejected, RateLimited)


class Writer:
    """Writes for one turn, some plans at a time."""

    def __init__(self, work: DrainContext) -> None:
        self._work = work

    async def write(self) -> bool:
        """Carry out some plans; False when there were none or no room for any.

        Raises LockLost, TurnOver, Throttled and Unauthorised, when everything that was sent is settled.
        """
        work = self._work
        if work.rests(work.writes):
            return False
        # After an outage one goes first. And while live customers wait in full batches, to read fifty tells more.
        planned = await self._planned(1 if work.writes.is_tripped or work.live_backlog else WRITES)
        if any(plan is None for _, plan in planned):
            return (
                not work.live_backlog and await self._read_again()
            )  # in a crowd reads are for those not yet seen
        writer = self._writer()
        results = await asyncio.gather(
            *(writer.execute(mark, plan) for mark, plan in planned if plan is not None),
            return_exceptions=True,
        )
        carried = [each for each in results if isinstance(each, WriteResult)]
        await self._settle(carried)
        self._end([each.stop for each in carried], results)
        return any(each.settlement is not None or each.stop is None for each in carried)

    async def _planned(self, most: int) -> list[tuple[Mark, WritePlan | None]]:
        """The oldest plans; None stands for one that is stale, that another release has made, or that was made
        before shadow mode began."""
        work = self._work
        planned = await work.turn.planned_writes(limit=most)
        return [
            (mark, None if work.shop.shadow else _fresh(plan, work.turn.now_ms)) for mark, plan in planned
        ]

    async def _read_again(self) -> bool:
        """Have a batch of plans made anew: as many as one call fetches, not one by one as their turn comes."""
        planned = await self._planned(BATCH_SIZE)
        stale = [mark for mark, plan in planned if plan is None]
        await self._work.settle([settlement.requeue(mark, note="plan_expired") for mark in stale])
        return True

    def _writer(self) -> PlanWriter:
        work = self._work
        return PlanWriter(
            work.turn,
            work.api,
            work.bucket,
            ours=work.turn.owners,
            reserve=work.shop.reserve,
            breaker=work.writes,
            dice=work.dice,
        )

    async def _settle(self, carried: Sequence[WriteResult]) -> None:
        for each in _telling(carried):
            self._judge_call(each)
        unsettled = [each for each in carried if each.settlement is None]
        self._work.journal.refused(each for each in unsettled if each.stop is None)
        await self._work.requeue(each.mark for each in unsettled if each.sent)
        if any(each.outcome == "removals_paused" for each in carried):
            await self._alert_removals_paused()
        await self._work.settle(
            [
                msgspec.structs.replace(each.settlement, note=each.outcome, is_sent=each.sent)
                for each in carried
                if each.settlement is not None
            ]
        )

    def _end(self, stops: Sequence[Exception | None], results: Sequence[object]) -> None:
        for stop in stops:
            if isinstance(stop, RateLimitExceeded):
                self._work.wait_for_room(stop.wait_s)
        for kind in BY_SEVERITY:
            for stop in stops:
                if isinstance(stop, kind):
                    raise stop
        for each in results:
            if isinstance(each, BaseException):
                raise each
            if isinstance(each, WriteResult) and each.outcome == "paused":
                raise DrainStopped("paused")
            if isinstance(each, WriteResult) and each.outcome == "shadow_mode":
                raise DrainStopped("shadow_changed")

    # how the calls went

    def _judge_call(self, carried: WriteResult) -> None:
        work = self._work
        if carried.outcome in ("written", "disagrees"):
            work.writes = work.writes.record_success()
        elif isinstance(carried.failure, RequestRejected):
            self._judge_rejection(carried.mark, carried.failure)
        elif carried.failure is not None:
            work.writes = work.writes.record_failure(
                now_ms=work.turn.now_ms, customer=str(carried.mark.customer)
            )

    def _judge_rejection(self, mark: Mark, failure: RequestRejected) -> None:
        """The same refusal for customer after customer is the shop's: all its writes rest."""
        work = self._work
        row = work.journal.rejected(str(failure), mark.customer)
        if row >= REJECTED_IN_A_ROW:
            work.writes = CircuitBreaker(row, work.turn.now_ms + REJECTED_REST_MS, SEVERAL_CUSTOMERS)
            work.alerts.raise_alert(
                "writes_rejected", f"{row} customers in a row: {failure}", org=work.turn.org
            )

    async def _alert_removals_paused(self) -> None:
        """If the removal guard paused them; whoever else pauses removals sends an alert itself."""
        org = self._work.turn.org
        if (await self._work.shops.get_or_raise(org)).removals_paused != GUARD:
            return
        self._work.alerts.raise_alert(
            "removal_guard_tripped",
            "more tags were about to be removed within an hour than publishing or the schedule explains. Nothing is "
            f"removed until `tagger shops resume {org} --removals`; tags are added as before.",
            org=org,
        )


def _fresh(packed: bytes, now_ms: int) -> WritePlan | None:
    try:
        plan = plans.decode_plan(packed)
    except msgspec.MsgspecError:
        return None
    return plan if now_ms - plan.decided_ms <= PLAN_MS else None


def _telling(carried: Sequence[WriteResult]) -> list[WriteResult]:
    """What says how the calls go: of failures of the shop one, since a single cut connection fails all that are out
    together, and a success has the last word."""
    failures = [each for each in carried if each.failure is not None]
    shops = [each for each in failures if not isinstance(each.failure, RequestRejected)]
    rejections = [each for each in failures if isinstance(each.failure, RequestRejected)]
    return [*rejections, *shops[:1], *(each for each in carried if each.failure is None)]
