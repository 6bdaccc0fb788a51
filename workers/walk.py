"""Page walks: every customer of a shop, fifty a call, marking those whose tags are not what they should be.

Backfill is the first look at a shop; reconcile looks at what changed since a moment; scrub looks at everybody,
and at those whom the walk did not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import structlog
from arq.connections import ArqRedis

from service.domain.customers import CustomerId, digest, pack, unpack
from service.domain.evaluation import Compiled
from service.domain.judgement import BatchContext, MarkContext, StoredState, UpToDate, evaluate_customer
from service.domain.records import Record
from service.errors import TaggerError
from service.store import census, kept, keys, marks, runs
from service.store.background import background
from service.store.script import script
from service.store.shop import Shop
from workers.haravan.client import Haravan
from workers.haravan.pacer import Permits
from workers.sweep import today

Kind = Literal["backfill", "reconcile", "scrub"]
OVERLAP_S: Final = 900  # lists may lag


@dataclass(frozen=True, slots=True)
class Walked:
    """How far a walk is: customers seen, of about how many, and how many of them were marked."""

    seen: int
    about: int
    marked: int


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk through one shop. Ends where it is when its process does; the next one begins from the start."""

    redis: ArqRedis
    shop: Shop
    api: Haravan
    permits: Permits
    compiled: Compiled
    version: int
    now_ms: Callable[[], int]
    on_page: Callable[[Walked], None] = lambda _: None
    on_repair: Callable[[str, int], None] = lambda _cause, _count: (
        None
    )  # how many nobody else would have found

    async def __call__(self, kind: Kind, *, by: str, since_ms: int | None = None) -> runs.Run:
        """Walk all pages; returns the run of the marks. Raises HaravanError when the shop does not answer."""
        started = self.now_ms()
        since = None
        if since_ms is not None:
            since = datetime.fromtimestamp(since_ms / 1000 - OVERLAP_S, UTC)
        about = await self.api.perform(self.api.dialect.count(), self.permits)
        await census.count(self.redis, self.shop.org, about)
        run_id = await runs.begin(self.redis, self.shop.org, kind=kind, by=by, reason=kind, now_ms=started)
        unseen = await census.known(self.redis, self.shop.org) if kind == "scrub" else set()
        seen, marked, cursor = 0, 0, 0
        while True:
            page = await self.api.perform(self.api.dialect.page(cursor, updated_min=since), self.permits)
            if not len(page) or not page.ids:
                break
            judged = await self._judge(page.records)
            wrong = [*judged, *(p.customer for p in page.poisons if p.customer)]
            if kind != "backfill":
                await self._repaired(judged)
            await runs.mark(self.redis, self.shop.org, run_id, wrong, kind=kind)
            unseen -= page.ids
            seen, marked, cursor = seen + len(page), marked + len(wrong), max(page.ids)
            self.on_page(Walked(seen, about, marked))
        if unseen:  # known to us and not shown: a confirming look, no deletion on a list's word
            await self._repaired(dict.fromkeys(unseen, "not listed"))
            await runs.mark(self.redis, self.shop.org, run_id, sorted(unseen), kind=kind)
        structlog.get_logger().info(
            "walk", org=self.shop.org, kind=kind, run=run_id, seen=seen, marked=marked, unseen=len(unseen)
        )
        return await runs.get(self.redis, self.shop.org, run_id)

    async def _repaired(self, wrong: Mapping[CustomerId, str]) -> None:
        """Tell of those whom nothing but this walk would have brought right: who is marked comes anyway."""
        waiting = await marks.marked(self.redis, self.shop.org, [*wrong])
        alone = Counter(why for customer, why in wrong.items() if customer not in waiting)
        for why, count in alone.items():
            self.on_repair(why, count)

    async def _judge(self, records: Sequence[Record]) -> dict[CustomerId, str]:
        """Who has to be looked at, and what is suspected to be the cause; the others' snapshots are kept where there are none.

        Whose snapshot is old has to be looked at too: previews and publishes go by snapshots.
        """
        ids = [CustomerId(record.customer.id) for record in records]
        stored = await kept.kept(self.redis, self.shop.org, ids)
        snapshots = await self._snapshots(ids)
        now = self.now_ms()
        batch = BatchContext(self.compiled, self.version, now, today(now, self.compiled.rule_set.timezone))
        wrong: dict[CustomerId, str] = {}
        right: list[str | bytes | int] = []
        for customer, record in zip(ids, records, strict=True):
            found = self._found_right(record, stored[customer], batch)
            if found is None or _is_old(snapshots[customer], record):
                wrong[customer] = _suspected(snapshots[customer], record)
            else:
                day = found.decision.next_change
                right += [customer, pack(record.customer), "" if day is None else day]
        if right:
            await script(self.redis, "glance")(keys=[keys.shop(self.shop.org)], args=right)
        return wrong

    async def _snapshots(self, ids: Sequence[CustomerId]) -> dict[CustomerId, bytes | None]:
        if not ids:
            return {}
        found = await self.redis.hmget(keys.shop(self.shop.org, "snap"), [str(each) for each in ids])
        return dict(zip(ids, found, strict=True))

    def _found_right(self, record: Record, stored: kept.Kept, batch: BatchContext) -> UpToDate | None:
        """The evaluation of a customer for whom there is nothing to do, nor to remember; None for everybody else."""
        try:
            known = background(stored)
            outcome = evaluate_customer(MarkContext(), record, known, batch)
        except TaggerError:
            return None
        if not isinstance(outcome, UpToDate) or outcome.reverted_tags or outcome.recovered_writes:
            return None
        return outcome if not stored.intents and _stands(known, outcome) else None


def _stands(known: StoredState, outcome: UpToDate) -> bool:
    """Whose hold begins, or whose tag another rule answers for, is not done by being seen."""
    before, after = known.standing, outcome.stored.standing
    return (before.owned, before.held) == (after.owned, after.held)


def _suspected(snapshot: bytes | None, record: Record) -> str:
    if snapshot is None:
        return "never seen"
    return "not announced" if _is_old(snapshot, record) else "not written"


def _is_old(snapshot: bytes | None, record: Record) -> bool:
    """Whether a snapshot tells otherwise than the record (one that cannot be read does)."""
    try:
        return snapshot is not None and digest(unpack(snapshot)) != digest(record.customer)
    except TaggerError:
        return True
