"""The work of one turn: rounds of reading and of writing, and what the shop's state becomes by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from arq.connections import ArqRedis
from service.store.counters import Counters

from service.alerts import Alerts
from service.domain.customers import CustomerId
from service.domain.evaluation import Compiled
from service.domain.failures import Breaker, too_many_gone
from service.domain.judgement import Asked, Judgement, Scene, judge, judge_absent, lags
from service.errors import Rejected, TaggerError, Unauthorised
from service.store import kept, marks
from service.store.bucket import Bucket
from service.store.kept import Kept
from service.store.shop import Shop
from service.store.shops import Shops
from service.store.turns import Item, LockLost, Mark, Planned, Turn
from workers import outcomes
from workers.background import background
from workers.fetch import Fetched, Fetcher, merge
from workers.haravan.client import Haravan
from workers.haravan.pacer import NoRoom
from workers.journal import Journal
from workers.pausing import pause_for_absence, pause_for_token
from workers.permits import ReadPermits
from workers.sweep import today
from workers.write import Carried, Writer, last_frames

WRITES: Final = 8  # on the way at once, for one shop
SINGLES_FOR_MS: Final = 900_000
LEAKED_CALLS: Final = 8
REJECTED_IN_A_ROW: Final = 5


class RulesMoved(TaggerError):
    """Another version went live during the turn: end it, the next one begins with the new rules."""


@dataclass(slots=True)
class TurnOfShop:
    """One turn; its methods are called round by round, and it remembers what the next round must know."""

    turn: Turn
    shop: Shop
    api: Haravan
    compiled: Compiled
    redis: ArqRedis
    bucket: Bucket
    shops: Shops
    counters: Counters
    alerts: Alerts
    dice: Callable[[], float]
    journal: Journal = field(init=False)
    reads: Breaker = field(init=False)
    writes: Breaker = field(init=False)
    singles_until_ms: int = field(init=False)
    wait_ms: int = 0
    asked: int = 0
    gone: int = 0
    ours: int | None = None

    def __post_init__(self) -> None:
        state = self.turn.state
        self.journal = Journal(self.turn, self.counters)
        self.reads = Breaker(int(state.get("read_failures", 0)), int(state.get("read_open_until", 0)))
        self.writes = Breaker(int(state.get("write_failures", 0)), int(state.get("write_open_until", 0)))
        self.singles_until_ms = int(state.get("singles_until", 0))

    # reading

    async def read(self) -> bool:
        """Fetch and settle one batch; False when there was nothing to read or no room for it."""
        if self._rests(self.reads):
            return False
        taken, linger_ms = await self.turn.take(linger_ms=await self._linger_ms())
        if not taken:
            self._wait(linger_ms)
            return False
        backgrounds = await kept.kept(self.redis, self.turn.org, [mark.customer for mark in taken])
        fetched = await self._fetch(taken)
        items = self._judge_all(taken, fetched, backgrounds)
        await self._settle(items)
        if too_many_gone(gone=self.gone, asked=self.asked):
            await pause_for_absence(self.shops, self.alerts, self.turn, gone=self.gone, asked=self.asked)
            return False
        return bool(items)

    async def _fetch(self, taken: Sequence[Mark]) -> Fetched:
        lane: marks.Lane = "live" if any(mark.lane == "live" for mark in taken) else "bulk"
        permits = ReadPermits(self.turn, self.bucket, lane=lane, reserve=self.shop.reserve)
        fetcher = Fetcher(self.api, permits, singles=self.singles_until_ms > self.turn.now_ms)
        fetched = await fetcher.fetch(taken)
        if len(taken) > 1:  # a list may lag behind what a single GET shows
            old = [mark.customer for mark in taken if self._is_old(mark, fetched)]
            merge(fetched, await fetcher.again(old))
        if fetched.distrusted:
            self.singles_until_ms = self.turn.now_ms + SINGLES_FOR_MS
            self.counters.add("lists_distrusted", org=self.turn.org)
        if fetched.wait_s is not None:
            self._wait_for_room(fetched.wait_s)
        self.asked += len(taken)
        self.gone += len(fetched.absent)
        return fetched

    def _is_old(self, mark: Mark, fetched: Fetched) -> bool:
        record = fetched.records.get(mark.customer)
        return record is not None and not mark.lag and lags(_asked(mark), record.customer)

    def _judge_all(
        self, taken: Sequence[Mark], fetched: Fetched, backgrounds: Mapping[CustomerId, Kept]
    ) -> list[tuple[Mark, Item, str]]:
        if fetched.failed:
            self.reads = self.reads.failed(now_ms=self.turn.now_ms)
        elif fetched.calls:
            self.reads = self.reads.succeeded()
        scene = Scene(
            compiled=self.compiled,
            version=self.turn.version,
            now_ms=self.turn.now_ms,
            today=self._today(),
            shadow=self.shop.shadow,
        )
        judged = (self._judge(mark, fetched, backgrounds[mark.customer], scene) for mark in taken)
        return [each for each in judged if each is not None]

    def _judge(
        self, mark: Mark, fetched: Fetched, stored: Kept, scene: Scene
    ) -> tuple[Mark, Item, str] | None:
        """One customer's settlement, or None when there was no room to ask for it."""
        failure = fetched.failed.get(mark.customer)
        if failure is not None:
            counted = not self.reads.tripped
            item = outcomes.failed(mark, failure, counted=counted, now_ms=scene.now_ms, dice=self.dice())
            return mark, item, str(failure)
        if mark.customer in fetched.unreadable:
            return (
                mark,
                outcomes.buried(mark, cause="unreadable", text=fetched.unreadable[mark.customer]),
                "unreadable",
            )
        try:
            judgement: Judgement
            if mark.customer in fetched.absent:
                judgement = judge_absent(_asked(mark), now_ms=scene.now_ms)
            elif mark.customer in fetched.records:
                judgement = judge(_asked(mark), fetched.records[mark.customer], background(stored), scene)
            else:
                return None
            return mark, outcomes.item(mark, judgement, version=scene.version, now_ms=scene.now_ms), ""
        except Exception as exc:  # noqa: BLE001  # a bug of ours is this customer's dead letter, not the shop's end
            return mark, outcomes.buried(mark, cause="bug", text=last_frames(exc)), "bug"

    # writing

    async def write(self) -> bool:
        """Carry out some plans; False when there were none or no room for any."""
        if self._rests(self.writes):
            return False
        planned = await self.turn.planned(most=WRITES)
        if not planned:
            return False
        if self.ours is None:
            self.ours = await kept.owners(self.redis, self.turn.org)
        writer = Writer(
            self.turn,
            self.api,
            self.bucket,
            ours=self.ours,
            reserve=self.shop.reserve,
            counted=lambda: not self.writes.tripped,
            dice=self.dice,
        )
        results = await asyncio.gather(*map(writer.carry_out, planned), return_exceptions=True)
        carried = [each for each in results if isinstance(each, Carried)]
        await self._settle_writes(carried)
        await self._raise_worst(planned, results)
        return bool(carried)

    async def _settle_writes(self, carried: Sequence[Carried]) -> None:
        for each in carried:
            self._judge_call(each)
        items = [(each.mark, each.item, each.outcome) for each in carried if each.item is not None]
        self.journal.refused(each for each in carried if each.item is None)
        plans = {each.mark.customer: each.plan for each in carried if each.plan is not None}
        await self._settle(items, plans=plans)

    def _judge_call(self, carried: Carried) -> None:
        if carried.outcome in ("written", "disagrees"):
            self.writes = self.writes.succeeded()
        elif carried.failure is not None and not isinstance(carried.failure, Rejected):
            self.writes = self.writes.failed(now_ms=self.turn.now_ms)
        elif isinstance(carried.failure, Rejected):
            self._judge_rejection(carried.failure)

    def _judge_rejection(self, failure: Rejected) -> None:
        """The same refusal for customer after customer is the shop's: all its writes rest."""
        row = self.journal.rejected(str(failure))
        if row >= REJECTED_IN_A_ROW:
            self.writes = Breaker(row, self.turn.now_ms + 600_000)
            self.alerts.raise_alert("rejected", f"{row} customers in a row: {failure}", org=self.turn.org)

    async def _raise_worst(self, planned: Sequence[Planned], results: Sequence[object]) -> None:
        errors = [each for each in results if isinstance(each, BaseException)]
        for error in errors:
            if isinstance(error, NoRoom):
                self._wait_for_room(error.wait_s)
        lost = [one.mark for one, each in zip(planned, results, strict=True) if isinstance(each, LockLost)]
        if lost:
            await self._mark_again(lost)
        for error in sorted(errors, key=lambda each: not isinstance(each, LockLost)):
            if not isinstance(error, NoRoom):
                raise error

    # settling

    async def _settle(
        self,
        items: Sequence[tuple[Mark, Item, str]],
        *,
        plans: Mapping[CustomerId, outcomes.Plan] | None = None,
    ) -> None:
        outcomes_ = await self.turn.settle([item for _, item, _ in items], today=self._today())
        for (mark, item, note), outcome in zip(items, outcomes_, strict=True):
            self.journal.settled(mark, item, outcome, note=note, plan=(plans or {}).get(mark.customer))
        if "lost" in outcomes_:
            if plans is not None:  # a write went out, and somebody else may have read before it
                await self._mark_again([mark for mark, _, _ in items])
            raise LockLost("the lock was lost before a settlement")
        if "version" in outcomes_:
            raise RulesMoved("another version of the rules went live")

    async def _mark_again(self, lost: Sequence[Mark]) -> None:
        await marks.mark_customers(
            self.redis, self.turn.org, [mark.customer for mark in lost], cause="again", lane="live"
        )
        structlog.get_logger().warning(
            "marked again", org=self.turn.org, customers=len(lost), cause="lock lost"
        )

    async def pause(self, exc: Unauthorised) -> None:
        """The token was refused."""
        await pause_for_token(self.shops, self.alerts, self.turn, exc)

    # the shop

    def _today(self) -> int:
        return today(self.turn.now_ms, self.compiled.rule_set.timezone)

    async def _linger_ms(self) -> int:
        """None while the bucket is at least three quarters free, up to 2 s as it fills."""
        bucket = await self.bucket.level(self.turn.org)
        return int(max(0.0, bucket.level / bucket.size - 0.25) / 0.75 * 2000)

    def _rests(self, breaker: Breaker) -> bool:
        if breaker.open_until_ms <= self.turn.now_ms:
            return False
        self._wait(breaker.open_until_ms - self.turn.now_ms)
        return True

    def _wait_for_room(self, wait_s: float) -> None:
        """Come back when some calls have leaked (2 s), not for each single one."""
        self._wait(max(int(wait_s * 1000), again_ms(self.bucket)))

    def _wait(self, ms: int) -> None:
        """The next turn is to come in about this time: the soonest of all reasons to wait."""
        if ms > 0:
            self.wait_ms = ms if not self.wait_ms else min(self.wait_ms, ms)

    def state_changes(self) -> dict[str, str]:
        """What the shop's state becomes; an empty text removes a field."""
        return {
            "read_failures": str(self.reads.failures or ""),
            "read_open_until": str(self.reads.open_until_ms or ""),
            "write_failures": str(self.writes.failures or ""),
            "write_open_until": str(self.writes.open_until_ms or ""),
            "singles_until": str(self.singles_until_ms or ""),
            **self.journal.state_changes(),
        }


def again_ms(bucket: Bucket) -> int:
    """How long it takes until some calls have leaked."""
    return int(LEAKED_CALLS / bucket.leak_per_s * 1000)


def _asked(mark: Mark) -> Asked:
    return Asked(updated_ms=mark.updated_ms, lag=mark.lag, gone_ms=mark.gone_ms)
