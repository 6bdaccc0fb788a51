"""Carrying out plans: for each customer at most one POST and then one DELETE, each under a permit of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from service.domain.failures import GONE_CONFIRM_S
from service.domain.tags import fold
from service.errors import Gone, HaravanError, Unreadable
from service.store.bucket import Bucket
from service.store.turns import Item, Mark, Planned, Turn
from workers import outcomes
from workers.fetch import concerns_the_shop
from workers.haravan.client import Haravan
from workers.outcomes import Plan
from workers.permits import PermitRefused, WritePermits

REMOVALS_WAIT_MS = 300_000


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of one plan: its settlement (None where the permit's script has done it), and for the log."""

    mark: Mark
    outcome: str
    item: Item | None = None
    plan: Plan | None = None
    failure: HaravanError | None = None


class Writer:
    """Writes for one turn. Never raises a customer's failure, only what concerns the shop or the turn."""

    def __init__(
        self,
        turn: Turn,
        api: Haravan,
        bucket: Bucket,
        *,
        ours: int,
        reserve: int,
        counted: Callable[[], bool],
        dice: Callable[[], float],
    ) -> None:
        self._turn = turn
        self._api = api
        self._bucket = bucket
        self._ours = ours
        self._reserve = reserve
        self._counted = counted
        self._dice = dice

    async def carry_out(self, planned: Planned) -> Carried:
        """Write one customer's difference; raises NoRoom, LockLost, Throttled and Unauthorised."""
        mark, plan = planned.mark, outcomes.unpack_plan(planned.plan)
        try:
            answered = await self._api.perform(
                self._api.dialect.change_tags(mark.customer, add=plan.add, remove=plan.remove),
                self._permits(mark, plan),
            )
        except PermitRefused as exc:
            return self._refused(mark, plan, exc)
        except Gone:
            return Carried(mark, "gone", self._gone(mark), plan)
        except (HaravanError, Unreadable) as exc:
            return self._failed(mark, plan, exc)
        tags = frozenset(map(fold, answered))
        if tags != frozenset(plan.expected):
            again = outcomes.disagrees(mark, plan, answered=tags, now_ms=self._turn.now_ms)
            return Carried(mark, "disagrees", again, plan)
        return Carried(mark, "written", outcomes.written(mark, plan), plan)

    def _permits(self, mark: Mark, plan: Plan) -> WritePermits:
        return WritePermits(
            self._turn,
            self._bucket,
            mark=mark,
            decided_ms=plan.decided_ms,
            intents=plan.intents,
            removals=0 if outcomes.is_explained(mark) else len(plan.remove),
            ours=self._ours,
            reserve=self._reserve,
        )

    def _refused(self, mark: Mark, plan: Plan, exc: PermitRefused) -> Carried:
        if exc.why != "removals":
            return Carried(mark, exc.why, plan=plan)
        waits = Item(op="later", cid=str(mark.customer), n=mark.n, due=self._turn.now_ms + REMOVALS_WAIT_MS)
        return Carried(mark, "removals", waits, plan)

    def _gone(self, mark: Mark) -> Item:
        due = self._turn.now_ms + int(GONE_CONFIRM_S * 1000)
        fields = {"gone": str(mark.gone_ms or self._turn.now_ms)}
        return Item(op="later", cid=str(mark.customer), n=mark.n, due=due, fields=fields)

    def _failed(self, mark: Mark, plan: Plan, exc: HaravanError | Unreadable) -> Carried:
        if isinstance(exc, HaravanError) and concerns_the_shop(exc):
            raise exc
        failure = exc if isinstance(exc, HaravanError) else HaravanError(str(exc))
        item = outcomes.failed(
            mark, failure, counted=self._counted(), now_ms=self._turn.now_ms, dice=self._dice()
        )
        return Carried(mark, "failed", item, plan, failure)


def last_frames(exc: BaseException, *, most: int = 3) -> str:
    """Where a bug of ours is: the last frames, without the values."""
    frames = traceback.extract_tb(exc.__traceback__)[-most:]
    return f"{type(exc).__name__} at " + " < ".join(
        f"{one.filename.rpartition('/')[2]}:{one.lineno}" for one in reversed(frames)
    )
