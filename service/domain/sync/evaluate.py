"""The evaluation of one marked customer: what follows from its record, its stored state and its mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from service.domain.customers import (
    Customer,
    CustomerRecord,
    MissingReason,
    apply_change,
    digest,
    tag_set,
)
from service.domain.decisions import (
    CustomerState,
    Decision,
    Ownership,
    UndoRecord,
    WriteIntent,
    decide_with_restores,
    late_restores,
)
from service.domain.engine import CompiledRules
from service.domain.sync.retries import DELETION_CONFIRM_S, STALE_READ_BACKOFF_S, STALE_READ_RECHECK_S
from service.domain.sync.writes import (
    WRITE_GRACE_MS,
    RevertHistory,
    WriteStatus,
    detect_reverts,
    intent_key,
    keep_recent,
    resolve_writes,
    suppress,
    suppressed_tags,
)


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What all customers of a batch are evaluated with."""

    rules: CompiledRules
    version: int
    now_ms: int
    today: int  # the shop's day (ordinal)
    shadow: bool = False  # shadow mode: decisions are recorded but not written


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is stored about a customer besides the record."""

    state: CustomerState = field(default_factory=CustomerState)
    intents: Mapping[str, WriteIntent] = field(default_factory=dict)
    reverts: RevertHistory = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MarkContext:
    """What the customer's mark carries.

    `expected_updated_ms`: newest `updated_at` seen in a webhook, 0 if none. `stale_reads`: reads so far that were
    older than that. `missing_since_ms`: when the first 404 was seen, 0 if never.
    """

    expected_updated_ms: int = 0
    stale_reads: int = 0
    missing_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class UpToDate:
    """Nothing to write."""

    customer: Customer
    stored: StoredState  # to be stored
    decision: Decision
    recovered_writes: tuple[
        WriteIntent, ...
    ] = ()  # the answer was lost, and the record shows that they arrived
    reverted_tags: tuple[str, ...] = ()  # our tags that somebody removed
    suppressed_tags: tuple[str, ...] = ()  # not written today, because they were reverted too often
    recheck_at_ms: int | None = None  # when to read again, because the record may be stale
    restores: Mapping[str, UndoRecord] = field(default_factory=dict)  # settled by this decision


@dataclass(frozen=True, slots=True)
class WriteNeeded:
    """The changes of the decision must be written.

    `owned` is stored before the first call: by then the intents that it comes from are dropped, and a reverted tag
    must not count twice.
    """

    result: UpToDate  # the outcome once the writes are done
    owned: Mapping[str, Ownership]  # by folded tag
    intents: Mapping[str, WriteIntent]  # by `intent_key`; stored before the first call, too
    expected_digest: str  # of the record after the writes


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Read again at `due_ms`. `fields` are stored in the mark."""

    due_ms: int
    cause: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unprocessable:
    """A retry would not help: this becomes a dead letter. `transient`: it may pass by itself within days."""

    cause: str
    text: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """The customer was deleted: a 404 was seen twice, ten minutes apart."""


Outcome = UpToDate | WriteNeeded | RetryLater | Unprocessable | Deleted
MISSING: Final = "missing"
TAGS_MISSING: Final[Mapping[MissingReason, str]] = {
    MissingReason.ABSENT: "not in it, and an absent list is no empty one",
    MissingReason.UNREADABLE: "not a text of names with commas between them",
    MissingReason.TOO_LARGE: "longer than a tag, or the tags of a customer, may be",
    MissingReason.NOT_STORED: "not stored",
}


def evaluate_missing(mark: MarkContext, *, now_ms: int) -> RetryLater | Deleted:
    """Evaluate a customer whose record was answered with a 404.

    Only a second 404, at least ten minutes later, means a deletion.
    """
    confirm_ms = int(DELETION_CONFIRM_S * 1000)
    if mark.missing_since_ms and now_ms - mark.missing_since_ms >= confirm_ms:
        return Deleted()
    # A first 404 in the future means that the clock was set back.
    first_ms = min(mark.missing_since_ms or now_ms, now_ms)
    return RetryLater(first_ms + confirm_ms, "gone", {"missing_since_ms": str(first_ms), "lane": "bulk"})


def is_stale(mark: MarkContext, customer: Customer) -> bool:
    """Whether the record is older than the newest webhook.

    Whole seconds are compared: records of the admin dialect have no fractions, bodies of webhooks have.
    """
    expected_ms, updated_ms = mark.expected_updated_ms, customer.updated_ms
    return bool(expected_ms and updated_ms is not None and updated_ms // 1000 < expected_ms // 1000)


def evaluate_customer(
    mark: MarkContext, record: CustomerRecord, stored: StoredState, batch: BatchContext
) -> Outcome:
    """Evaluate a customer whose record was fetched.

    It resolves earlier writes, decides, counts reverts, and leaves out what was reverted too often. Without its tags
    nothing can be said of a customer. Without another field, only the rules that read it decide nothing.
    """
    customer, now_ms = record.customer, batch.now_ms
    if (
        reason := next((field.reason for field in customer.missing if field.key == "tags"), None)
    ) is not None:
        return Unprocessable(MISSING, f"the record's tags are {TAGS_MISSING[reason]}", transient=True)
    if is_stale(mark, customer) and mark.stale_reads < len(STALE_READ_BACKOFF_S):
        wait_ms = int(STALE_READ_BACKOFF_S[mark.stale_reads] * 1000)
        fields = {"stale_reads": str(mark.stale_reads + 1), "missing_since_ms": "0"}
        return RetryLater(now_ms + wait_ms, "lag", fields)

    before = stored.state
    writes = resolve_writes(
        owned=before.ownership, intents=stored.intents, current=tag_set(customer.tags), now_ms=now_ms
    )
    restores = late_restores(before, writes.recovered, rolled_back=batch.rules.rolled_back)
    state = replace(before, ownership=writes.owned, restores=restores)
    decision = decide_with_restores(
        rules=batch.rules,
        customer=customer,
        state=state,
        today=batch.today,
        now_ms=now_ms,
        version=batch.version,
    )
    reverts = detect_reverts(writes, decision, stored.reverts, count=not batch.shadow, now_ms=now_ms)
    decision, suppressed = suppress(decision, suppressed_tags(reverts.history, now_ms=now_ms), state)
    writes = writes.without_recent(suppressed)
    decision = keep_recent(decision, writes.recent)
    result = UpToDate(
        customer=customer,
        stored=StoredState(decision.state, writes.pending, reverts.history),
        decision=decision,
        recovered_writes=writes.recovered,
        reverted_tags=reverts.tags,
        suppressed_tags=suppressed,
        recheck_at_ms=_recheck_at_ms(mark, customer, writes, now_ms=now_ms),
        restores=restores,
    )
    if not decision.change:
        return result
    owned = {**writes.recent, **writes.present}
    return (
        shadowed(result, replace(state, ownership=owned))
        if batch.shadow
        else write_needed(result, owned, batch)
    )


def shadowed(result: UpToDate, state: CustomerState) -> UpToDate:
    """The outcome in shadow mode: nothing is written, the state stays as the record shows it, no restore is settled."""
    return replace(result, stored=replace(result.stored, state=state), restores={})


def write_needed(result: UpToDate, owned: Mapping[str, Ownership], batch: BatchContext) -> WriteNeeded:
    """The writes of a decision, each with its intent."""
    intents = [
        WriteIntent(
            outcome.tag,
            outcome.rule,
            batch.now_ms,
            batch.version,
            outcome.effect == "remove",
            outcome.cause,
            outcome.evidence,
            outcome.undo,
        )
        for outcome in result.decision.changes
    ]
    written = apply_change(tag_set(result.customer.tags), result.decision.change)
    return WriteNeeded(
        result=result,
        owned=owned,
        intents={**result.stored.intents, **{intent_key(intent): intent for intent in intents}},
        expected_digest=digest(msgspec.structs.replace(result.customer, tags=written.names)),
    )


def _recheck_at_ms(mark: MarkContext, customer: Customer, writes: WriteStatus, *, now_ms: int) -> int | None:
    """When to read again without a webhook: if the record is stale, or may not show a write yet. None: never."""
    moments = [intent.at_ms + WRITE_GRACE_MS for intent in writes.pending.values()]
    moments += [own.since_ms + WRITE_GRACE_MS for own in writes.recent.values()]
    if is_stale(mark, customer):
        moments.append(now_ms + int(STALE_READ_RECHECK_S * 1000))
    return max(moments, default=None)
