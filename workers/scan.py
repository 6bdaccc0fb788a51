"""Scans: read every customer of a shop, fifty a request, and enqueue those whose tags are not what they should be.

A backfill is the first scan of a shop. A reconcile reads the customers that changed since a moment. An audit reads all
customers and also enqueues those that we know and the lists do not show.

Until the shop's first look is complete, every scan is the first look: it reads all customers and enqueues none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import structlog

from service.context import Context
from service.domain.customers import CustomerId, CustomerRecord, fold
from service.domain.engine import CompiledRules
from service.domain.sync import BatchContext, MarkContext, StoredState, UpToDate, evaluate_customer
from service.errors import ApiUnavailable, MalformedData, ResponseTooLarge, TaggerError
from service.publishing import first_look
from service.sentence import Sentence
from service.store.client import keys, load_script
from service.store.customers import (
    StoredCustomer,
    is_current,
    kept_fields,
    load_states,
    read_snapshot,
    seal_snapshot,
    snapshots,
    to_stored_state,
)
from service.store.history import day_counts
from service.store.jobs import runs
from service.store.queue import dead_letters, dirty
from service.store.rules import CompiledRulesCache
from service.store.shops import Shop
from workers.haravan import PAGE_SIZE, Batch, Haravan, Permits, RawBatch

ScanKind = Literal["backfill", "reconcile", "audit"]
OVERLAP_S: Final = 900  # lists may lag

UNKNOWN_CUSTOMER: Final = "unknown_customer"
MISSED_WEBHOOK: Final = "missed_webhook"
MISSED_WRITE: Final = "missed_write"
MISSING_FROM_LIST: Final = "missing_from_list"


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """Customers read so far, their expected number, and how many of them were enqueued."""

    scanned: int
    expected: int
    enqueued: int


@dataclass(frozen=True, slots=True)
class CustomerScan:
    """Scans of one shop. A scan is not resumed: if its process dies, the next one starts at the first customer."""

    context: Context
    shop: Shop
    api: Haravan
    permits: Permits
    compiled: CompiledRules
    version: int
    on_page: Callable[[ScanProgress], None] = field(default=lambda _: None)
    on_repair: Callable[[str, int], None] = field(default=lambda _cause, _count: None)

    async def __call__(
        self, kind: ScanKind, *, by: str, since_ms: int | None = None, run_id: str = ""
    ) -> runs.Run:
        """Scan all pages and return the run of the enqueued customers: that with this id, or a new one.

        A first look ends with a pending job, which decides whether the tags may be written without an approval.
        Raises HaravanError if the shop does not answer. The run then ends as `failed`; what it enqueued stays queued.
        """
        org, since = self.shop.org, None
        if self.shop.first_look != "complete":
            kind, since_ms = "backfill", None
        if since_ms is not None:
            since = datetime.fromtimestamp(since_ms / 1000 - OVERLAP_S, UTC)
        expected = await self.api.perform(self.api.dialect.count(), self.permits)
        await snapshots.save_count(self.context.redis, org, expected)
        run_id = run_id or await runs.create(
            self.context.redis, org, kind=kind, by=by, reason=kind, now_ms=await self.context.now_ms()
        )
        try:
            if self.shop.first_look == "complete":
                await self._scan(kind, run_id, since=since, expected=expected)
                await runs.save_prepared(self.context.redis, org, run_id)
            else:
                await self._first_look(run_id, expected=expected)
        except TaggerError:
            await runs.end_pages(self.context.redis, org)
            await runs.fail(self.context.redis, org, run_id)
            raise
        return await runs.get(self.context.redis, org, run_id)

    async def _scan(self, kind: ScanKind, run_id: str, *, since: datetime | None, expected: int) -> None:
        redis, org = self.context.redis, self.shop.org
        unlisted = await snapshots.known_ids(redis, org) if kind == "audit" else set()
        suspects = await self._suspects()
        interrupted = await runs.interrupted_page(redis, org)
        await runs.mark(redis, org, run_id, sorted(interrupted), kind=kind)  # a drain finds out, one by one
        scanned, enqueued, tagged = 0, 0, Counter[str]()
        async for raw_page in pages(self.api, self.permits, updated_min=since):
            await runs.begin_page(redis, org, [customer for customer in raw_page.ids if customer])
            page = raw_page.parse(skip=suspects)
            causes = await self._find_wrong(page.records)
            if kind != "backfill":
                await self._count_repairs(causes)
            wrong = [*causes, *(record.customer for record in page.unreadable if record.customer)]
            await runs.mark(self.context.redis, org, run_id, wrong, kind=kind)
            unlisted -= page.ids
            scanned, enqueued = scanned + len(page), enqueued + len(wrong)
            tagged.update(self._managed_tags(page.records))
            await runs.set_scanned(self.context.redis, org, run_id, scanned)
            self.on_page(ScanProgress(scanned, expected, enqueued))
        await runs.end_pages(redis, org)
        if since is None:
            await self._save_day_counts(scanned, tagged)
        if unlisted:  # they may be deleted, but a list is no proof: the drain reads each of them
            await self._count_repairs(dict.fromkeys(unlisted, MISSING_FROM_LIST))
            await runs.mark(self.context.redis, org, run_id, sorted(unlisted), kind=kind)
        structlog.get_logger().info(
            "customer_scan",
            org=org,
            kind=kind,
            run=run_id,
            scanned=scanned,
            enqueued=enqueued,
            unlisted=len(unlisted),
        )

    async def _suspects(self) -> frozenset[CustomerId]:
        """The customers whose records may end this process: they are not parsed here."""
        redis, org = self.context.redis, self.shop.org
        interrupted = await runs.interrupted_page(redis, org)
        letters = await dead_letters.list_open(redis, org)
        return interrupted | {letter.customer for letter in letters if letter.cause == dead_letters.CRASH}

    async def _first_look(self, run_id: str, *, expected: int) -> None:
        """Read all customers and store their snapshots. A job then decides what follows."""
        org, redis, scanned, tagged = self.shop.org, self.context.redis, 0, Counter[str]()
        suspects = await self._suspects()
        async for raw_page in pages(self.api, self.permits):
            await runs.begin_page(redis, org, [customer for customer in raw_page.ids if customer])
            page = raw_page.parse(skip=suspects)
            await self._save_snapshots(page)
            scanned += len(page)
            tagged.update(self._managed_tags(page.records))
            await runs.set_scanned(redis, org, run_id, scanned)
            self.on_page(ScanProgress(scanned, expected, 0))
        await runs.end_pages(redis, org)
        await self._save_day_counts(scanned, tagged)
        async with redis.pipeline() as pipe:
            first_look.queue_end_of_walk(pipe, org, run_id)
            await pipe.execute()
        structlog.get_logger().info(
            "customer_scan", org=org, kind="first_look", run=run_id, scanned=scanned, enqueued=0, unlisted=0
        )

    def _managed_tags(self, records: Sequence[CustomerRecord]) -> Iterator[str]:
        """The folded tags of these customers that live rules set."""
        managed = self.compiled.managed_tags
        return (key for record in records for tag in record.customer.tags if (key := fold(tag)) in managed)

    async def _save_day_counts(self, customers: int, tagged: Mapping[str, int]) -> None:
        """Save how many customers had each tag of the live rules on this walk over all of them."""
        spelled = {fold(tag): tag for rule in self.compiled.rule_set.all for tag in rule.tags}
        await day_counts.save_customers(
            self.context.redis,
            self.shop.org,
            day=self.compiled.local_day(await self.context.now_ms()),
            customers=customers,
            tagged={spelled[key]: tagged.get(key, 0) for key in self.compiled.managed_tags},
        )

    async def _save_snapshots(self, page: Batch) -> None:
        """Store the snapshots of a page, without a day on which they are due: that would write.

        The snapshot of an unreadable customer is empty, so that the rollout enqueues it. A snapshot that a drain stores
        at the same moment stays.
        """
        cipher, kept = self.shop.cipher, kept_fields(self.compiled.required_keys)
        found = {
            CustomerId(record.customer.id): seal_snapshot(record.customer, cipher, kept=kept)
            for record in page.records
        }
        found |= {
            unreadable.customer: b"" for unreadable in page.unreadable if unreadable.customer is not None
        }
        stored = await self._snapshots([*found])
        org, redis = self.shop.org, self.context.redis
        arguments: list[int | bytes | str] = []
        for customer, snapshot in found.items():
            if stored[customer] is None:
                arguments += [customer, snapshot, ""]
        if arguments:
            await load_script("customers", "snapshot_insert_missing")(redis, org, *arguments)
        outdated: list[int | bytes | None] = []
        for record in page.records:
            customer = CustomerId(record.customer.id)
            if _is_older(stored[customer], record):
                outdated += [customer, stored[customer], found[customer]]
        if outdated:
            await load_script("customers", "snapshot_replace")(redis, org, *outdated)

    async def _count_repairs(self, causes: Mapping[CustomerId, str]) -> None:
        """Report the customers that only this scan found. Those that are queued would be repaired without it."""
        queued = await dirty.marked_among(self.context.redis, self.shop.org, [*causes])
        counts = Counter(cause for customer, cause in causes.items() if customer not in queued)
        for cause, count in counts.items():
            self.on_repair(cause, count)

    async def _find_wrong(self, records: Sequence[CustomerRecord]) -> dict[CustomerId, str]:
        """The customers that need the drain, with the probable cause. Stores the missing snapshots of all others.

        A customer with an old snapshot needs the drain, too: previews and publishes evaluate snapshots.
        """
        ids = [CustomerId(record.customer.id) for record in records]
        stored = await load_states(self.context.redis, self.shop.org, ids)
        snapshots = await self._snapshots(ids)
        now = await self.context.now_ms()
        batch = BatchContext(self.compiled, self.version, now, self.compiled.local_day(now))
        cipher, kept = self.shop.cipher, kept_fields(self.compiled.required_keys)
        wrong: dict[CustomerId, str] = {}
        right: list[str | bytes | int] = []
        for customer, record in zip(ids, records, strict=True):
            snapshot = snapshots[customer]
            try:
                settled = _settled(record, stored[customer], batch)
                is_outdated = snapshot is not None and not is_current(
                    snapshot, record.customer, cipher, kept=kept
                )
                if settled is None or is_outdated:
                    wrong[customer] = _probable_cause(snapshot, is_outdated=is_outdated)
                    continue
                day = settled.decision.next_change
                sealed = seal_snapshot(record.customer, cipher, kept=kept)
                right += [customer, sealed, "" if day is None else day]
            except Exception:  # noqa: BLE001  # a bug concerns this customer: the drain meets and records it
                wrong[customer] = MISSED_WRITE
        if right:
            await load_script("customers", "snapshot_insert_missing")(
                self.context.redis, self.shop.org, *right
            )
        return wrong

    async def _snapshots(self, ids: Sequence[CustomerId]) -> dict[CustomerId, bytes | None]:
        if not ids:
            return {}
        packed = await self.context.redis.hmget(
            keys.shop(self.shop.org, "snapshots"), [str(cid) for cid in ids]
        )
        return dict(zip(ids, packed, strict=True))


async def build_scan(
    context: Context,
    shop: Shop,
    api: Haravan,
    *,
    permits: Permits,
    rules_cache: CompiledRulesCache,
    on_page: Callable[[ScanProgress], None] = lambda _: None,
    on_repair: Callable[[str, int], None] = lambda _cause, _count: None,
) -> CustomerScan | None:
    """A scan with the live rules of the shop. None if it has no rules, except for its first look, which needs none."""
    version = await context.versions.live_number(shop.org)
    if not version and shop.first_look == "complete":
        return None
    return CustomerScan(
        context=context,
        shop=shop,
        api=api,
        permits=permits,
        compiled=await rules_cache.get(shop, version),
        version=version,
        on_page=on_page,
        on_repair=on_repair,
    )


async def pages(
    api: Haravan, permits: Permits, *, updated_min: datetime | None = None
) -> AsyncIterator[RawBatch]:
    """All pages of a shop's customers by id. Only an empty page is the last, not a short one (haravan.md, API).

    A page that is too large is asked for in halves. Of a customer who is too large alone, only the id is read. Raises
    ApiUnavailable if a page has no id beyond the previous page: an API that ignores `since_id` would be scanned for
    ever.
    """
    since_id, limit = 0, PAGE_SIZE
    while True:
        try:
            page = await _page(api, permits, since_id, limit=limit, updated_min=updated_min)
        except ResponseTooLarge:
            if not limit:  # not even an id can be read
                raise
            limit //= 2
            continue
        if not page:
            return
        limit = min(PAGE_SIZE, max(1, limit) * 2)
        last_id = max((customer for customer in page.ids if customer), default=0)
        if last_id <= since_id:
            raise ApiUnavailable(
                Sentence("GET customers returned no customer beyond {since_id}", since_id=since_id),
                status=200,
            )
        yield page
        since_id = last_id


async def _page(
    api: Haravan, permits: Permits, since_id: int, *, limit: int, updated_min: datetime | None
) -> RawBatch:
    fields = None if limit else ["id"]  # an id alone is no readable record: the drain reads the customer
    call = api.dialect.page(since_id, limit=max(1, limit), updated_min=updated_min, fields=fields)
    return await api.perform(call, permits)


def _settled(record: CustomerRecord, stored: StoredCustomer, batch: BatchContext) -> UpToDate | None:
    """The outcome if there is nothing to write and nothing to store; otherwise None."""
    try:
        known = to_stored_state(stored)
        outcome = evaluate_customer(MarkContext(), record, known, batch)
    except TaggerError:
        return None
    if not isinstance(outcome, UpToDate) or outcome.reverted_tags or outcome.recovered_writes:
        return None
    return outcome if not stored.intents and _is_unchanged(known, outcome) else None


def _is_unchanged(known: StoredState, outcome: UpToDate) -> bool:
    """Whether holds and ownership stay as they are: a hold that begins must be stored by the drain."""
    before, after = known.state, outcome.stored.state
    return (before.ownership, before.holds) == (after.ownership, after.holds)


def _probable_cause(snapshot: bytes | None, *, is_outdated: bool) -> str:
    if snapshot is None:
        return UNKNOWN_CUSTOMER
    return MISSED_WEBHOOK if is_outdated else MISSED_WRITE


def _is_older(snapshot: bytes | None, record: CustomerRecord) -> bool:
    """Whether the stored snapshot is of an earlier state than the record, or cannot be read."""
    if snapshot is None:
        return False
    try:
        return (read_snapshot(snapshot).facts.updated_ms or 0) < (record.customer.updated_ms or 0)
    except MalformedData:
        return True
