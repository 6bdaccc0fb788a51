"""The feed: our writes, changes by others and webhooks of a shop, newest first, filtered, in pages.

Filters read the streams backwards. One page reads at most `MAX_SCANNED` entries of each, so that it always answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from service.context import Context
from service.domain.customers import CustomerId, OrgId, fold
from service.domain.explain import Language, Translator
from service.errors import NotFound
from service.locales import translator_for
from service.operations import format_cause, outcome_text
from service.store.history import DeliveryFilter, Found, deliveries, drift, find_newest, ledger

PAGE_SIZE: Final = 50
MAX_SCANNED: Final = 20_000
BATCH: Final = 500
START: Final = "0-1"  # the cursor of a stream that has ended

Kind = Literal["change", "manual", "webhook"]
KINDS: Final[tuple[Kind, ...]] = ("change", "manual", "webhook")
SHOWN: Final[dict[str, frozenset[Kind]]] = {
    "tags": frozenset({"change", "manual"}),
    "webhooks": frozenset({"webhook"}),
    "all": frozenset(KINDS),
}
PEOPLE: Final = "people"
SOURCES: Final[dict[str, frozenset[str]]] = {
    "delivery": frozenset({"delivery", "deletion"}),
    "schedule": frozenset({"schedule"}),
    "publish": frozenset({"publish"}),
    "replay": frozenset({"replay", "retry", "requeue"}),
    "scan": frozenset({"reconcile", "backfill", "audit", "recovered"}),
    "claim": frozenset({"adopt", "retract", "restore", "exclude"}),
    PEOPLE: frozenset(),
}


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """What the feed shows. Empty: everything of its kinds."""

    show: str = "tags"
    tag: str = ""
    rule: str = ""
    source: str = ""
    customer: CustomerId | None = None
    since_ms: int = 0
    until_ms: int | None = None

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that can match: a webhook has no tag, no rule and no source but itself."""
        kinds = SHOWN[self.show]
        if self.tag or self.rule or self.source:
            kinds -= {"webhook"}
        if self.source == PEOPLE:
            kinds -= {"change"}
        elif self.rule or self.source:
            kinds -= {"manual"}
        return kinds


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One entry of the feed, in words. `tag` is empty for a webhook."""

    kind: Kind
    id: str
    at_ms: int
    customer: CustomerId | None
    is_added: bool = False
    tag: str = ""
    rule: str = ""
    version: int = 0
    source: str = ""
    why: str = ""
    written: bool = True


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of the feed. `older` has a cursor for each kind, none on the last page.

    `newest` has the ids after which new entries come. `is_partial`: the filter read `MAX_SCANNED` entries, and there
    are older ones.
    """

    rows: tuple[FeedRow, ...]
    older: tuple[str, ...] = ()
    newest: tuple[str, ...] = ()
    is_partial: bool = False
    rules: dict[str, str] = field(default_factory=dict)


Load = Callable[[str], Awaitable[Sequence[FeedRow]]]  # the rows before a cursor


async def load_feed(
    context: Context,
    org: OrgId,
    wanted: FeedFilter,
    *,
    language: Language,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    limit: int = PAGE_SIZE,
    max_scanned: int = MAX_SCANNED,
) -> Feed:
    """A page of the feed. `before` and `after` have an id for each kind, as `older` and `newest` of another page."""
    t, rules = translator_for(language), await load_rule_names(context, org, language)
    start = dict(zip(KINDS, before or ("",) * len(KINDS), strict=True))
    since = dict(zip(KINDS, after or ("",) * len(KINDS), strict=True))
    loads = _loads(context, org, wanted, t=t, rules=rules, after=since)
    parts: dict[Kind, Found[FeedRow]] = {
        kind: await find_newest(
            loads[kind],
            partial(_matches, wanted),
            start=start[kind],
            limit=limit,
            page_size=BATCH,
            max_scanned=max_scanned,
        )
        for kind in KINDS
        if kind in wanted.kinds
    }
    horizon = max((_ms(part.reached) for part in parts.values() if part.is_partial), default=0)
    merged = sorted((row for part in parts.values() for row in part.rows), key=lambda row: -row.at_ms)
    rows = [row for row in merged if row.at_ms >= horizon][:limit]
    shown = {(row.kind, row.id) for row in rows}
    older = tuple(_next(kind, parts.get(kind), shown, start[kind]) for kind in KINDS)
    is_last = len(rows) == len(merged) and not any(part.reached for part in parts.values())
    return Feed(
        rows=tuple(rows),
        older=() if is_last else older,
        newest=tuple(
            next((row.id for row in rows if row.kind == kind), since[kind] or START) for kind in KINDS
        ),
        is_partial=any(part.is_partial for part in parts.values()),
        rules=rules,
    )


async def load_rule_names(context: Context, org: OrgId, language: Language) -> dict[str, str]:
    """The names of the live rules and tiers by id."""
    try:
        document = await context.versions.document(org, await context.versions.live_number(org))
    except NotFound:
        return {}
    return {each.id: each.display_name(language) for each in document.all}


def _next(kind: Kind, part: Found[FeedRow] | None, shown: set[tuple[Kind, str]], start: str) -> str:
    """Where the next page goes on in this stream: behind the last row that this page shows."""
    if part is None:
        return START
    used = [row for row in part.rows if (kind, row.id) in shown]
    if len(used) == len(part.rows):
        return part.reached or START
    return used[-1].id if used else start


def _matches(wanted: FeedFilter, row: FeedRow) -> bool:
    if wanted.customer is not None and row.customer != wanted.customer:
        return False
    if wanted.tag and fold(row.tag) != fold(wanted.tag):
        return False
    if wanted.rule and row.rule != wanted.rule:
        return False
    return wanted.source in ("", PEOPLE) or row.source.partition(":")[0] in SOURCES[wanted.source]


def _loads(
    context: Context,
    org: OrgId,
    wanted: FeedFilter,
    *,
    t: Translator,
    rules: dict[str, str],
    after: dict[Kind, str],
) -> dict[Kind, Load]:
    redis, since_ms, until_ms = context.redis, wanted.since_ms, wanted.until_ms

    async def changes(before: str) -> list[FeedRow]:
        found = await ledger.list_newest(
            redis,
            org,
            limit=BATCH,
            before=before,
            after=after["change"],
            since_ms=since_ms,
            until_ms=until_ms,
        )
        return [_change(row, t) for row in found]

    async def manual(before: str) -> list[FeedRow]:
        found = await drift.list_newest(
            redis,
            org,
            limit=BATCH,
            before=before,
            after=after["manual"],
            since_ms=since_ms,
            until_ms=until_ms,
        )
        return [FeedRow("manual", row.id, row.at_ms, row.customer, row.is_added, row.tag) for row in found]

    async def webhooks(before: str) -> list[FeedRow]:
        page = await deliveries.list_deliveries(
            redis, org, DeliveryFilter(since_ms, until_ms), before=before or None, limit=BATCH
        )
        return [
            FeedRow(
                "webhook",
                each.id,
                each.at_ms,
                each.customer,
                source=each.topic,
                why=outcome_text(each.outcome, words=t),
            )
            for each in page.deliveries
        ]

    return {"change": changes, "manual": manual, "webhook": webhooks}


def _change(row: ledger.LedgerRow, t: Translator) -> FeedRow:
    entry = row.entry
    return FeedRow(
        kind="change",
        id=row.id,
        at_ms=row.at_ms,
        customer=row.customer,
        is_added=entry.action == "+",
        tag=entry.tag,
        rule=entry.rule,
        version=entry.version,
        source=entry.cause,
        why=t(f"why.{entry.why}") if t.has(f"why.{entry.why}") else "",
        written=entry.written,
    )


def _ms(cursor: str) -> int:
    return int(cursor.partition("-")[0] or 0)


def source_text(row: FeedRow, t: Translator) -> str:
    """Where a row comes from, in words."""
    if row.kind == "manual":
        return t("activity.source.people")
    return row.source if row.kind == "webhook" else format_cause(row.source, words=t)
