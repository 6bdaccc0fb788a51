"""What a drain stores for a customer: one settlement, and a write plan if tags must change.

After a read, `settlement_for` turns the outcome of the evaluation into a settlement; that of `WriteNeeded` holds the plan.
After the write, `after_success` or `after_mismatch` turns the plan into the final settlement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from service.domain.customers import (
    Customer,
    apply_change,
    digest,
    external_changes,
    fold,
    tag_set,
)
from service.domain.decisions import (
    HOLDS_CODEC,
    INTENTS_CODEC,
    OWNERSHIP_CODEC,
    RESTORES_CODEC,
    TagOutcome,
    WriteIntent,
)
from service.domain.sync import (
    DELETION_CONFIRM_S,
    MAX_ATTEMPTS,
    MAX_REJECTIONS,
    REVERTS_CODEC,
    Deleted,
    Outcome,
    RetryLater,
    Unprocessable,
    UpToDate,
    WriteNeeded,
    record_reverts,
    retry_delay_s,
)
from service.errors import AccessDenied, ApiUnavailable, HaravanError, RequestRejected
from service.runtime import last_frames
from service.sentence import Sentence
from service.store.history import LedgerEntry, encode_entry, prior_state
from service.store.jobs import EXPLAIN_REMOVALS
from service.store.queue import DeadLetterDraft, Mark, Settlement, dead_letters

PLAN_TTL_MS: Final = 30_000  # permit.lua refuses an older plan
MISMATCH_DELAY_MS: Final = 2_000  # at least: a list may lag
LATE_READ_MS: Final = 10_000  # longer than a call can take
WRITTEN: Final = "written"  # the note of a settlement after a successful write


class WritePlan(msgspec.Struct, frozen=True, array_like=True):
    """The tags to write for one customer, and what to store once they are written."""

    version: int
    decided_ms: int
    add: tuple[str, ...]
    remove: tuple[str, ...]
    expected: tuple[str, ...]  # all tags after the write, folded and sorted
    echo_digest: str  # of the record after the write
    snapshot: bytes
    owned: bytes
    holds: bytes
    intents: bytes  # stored before the first request
    intents_after: bytes
    next_change_day: int | None
    ledger_entries: list[bytes]
    reverts: bytes
    recheck_ms: int | None
    dead_letter: DeadLetterDraft | None = None
    drift: list[str] = []  # manual changes of the tags; msgspec copies an empty default
    settled_restores: bytes = b""


encode_plan = msgspec.msgpack.Encoder().encode
decode_plan = msgspec.msgpack.Decoder(WritePlan).decode


def cause_of(mark: Mark) -> str:
    """The latest reason for which the customer was marked."""
    return mark.reasons.rpartition(",")[2]


def is_expected_removal(mark: Mark) -> bool:
    """Whether the schedule or a run that explains removals is among the reasons. The removal guard counts the others."""
    return any(reason.partition(":")[0] in _EXPECTED for reason in mark.reasons.split(","))


_EXPECTED = frozenset({*EXPLAIN_REMOVALS, "schedule"})


# after a read


def settlement_for(
    mark: Mark,
    outcome: Outcome,
    *,
    version: int,
    now_ms: int,
    seal: Callable[[Customer], bytes],
    previous: Customer | None = None,
) -> Settlement:
    """The settlement of an evaluated customer. `seal` makes its snapshot; `previous` is the record at the last read."""
    match outcome:
        case UpToDate():
            return _up_to_date(mark, outcome, version=version, seal=seal, previous=previous)
        case WriteNeeded():
            return _write_needed(mark, outcome, version=version, now_ms=now_ms, seal=seal, previous=previous)
        case RetryLater(due_ms, _, fields):
            return Settlement(op="delay", mark=mark, due_ms=due_ms, mark_fields=dict(fields))
        case Unprocessable(cause, text, transient):
            letter = DeadLetterDraft(cause, text, transient=transient)
            return Settlement(op="dead_letter", mark=mark, dead_letter=letter)
        case Deleted():
            return Settlement(op="delete", mark=mark)


def _up_to_date(
    mark: Mark,
    result: UpToDate,
    *,
    version: int,
    seal: Callable[[Customer], bytes],
    previous: Customer | None,
) -> Settlement:
    changes = result.decision.changes
    return Settlement(
        op="complete",
        mark=mark,
        echo_digests=digest(result.customer),
        snapshot=seal(result.customer),
        owned=OWNERSHIP_CODEC.encode(result.stored.state.ownership),
        holds=HOLDS_CODEC.encode(result.stored.state.holds),
        intents=INTENTS_CODEC.encode(result.stored.intents),
        reverts=REVERTS_CODEC.encode(result.stored.reverts),
        next_change_day=result.decision.next_change,
        ledger_entries=_recovered_entries(result),
        drift=[*_reverted(result), *_manual_changes(result, previous)],
        settled_restores=RESTORES_CODEC.encode(result.restores) or None,
        dead_letter=_suppressed(result),
        recheck_ms=result.recheck_at_ms,
        shadow_digest=_shadow_digest(changes) if changes else None,
        shadow_entries=[_ledger_entry(mark, change, version, written=False) for change in changes],
    )


def _write_needed(
    mark: Mark,
    needed: WriteNeeded,
    *,
    version: int,
    now_ms: int,
    seal: Callable[[Customer], bytes],
    previous: Customer | None,
) -> Settlement:
    result, change = needed.result, needed.result.decision.change
    expected = apply_change(tag_set(result.customer.tags), change)
    plan = WritePlan(
        version=version,
        decided_ms=now_ms,
        add=change.add,
        remove=change.remove,
        expected=tuple(sorted(expected.keys)),
        echo_digest=needed.expected_digest,
        snapshot=seal(msgspec.structs.replace(result.customer, tags=expected.names)),
        owned=OWNERSHIP_CODEC.encode(result.stored.state.ownership),
        holds=HOLDS_CODEC.encode(result.stored.state.holds),
        intents=INTENTS_CODEC.encode(needed.intents),
        intents_after=INTENTS_CODEC.encode(result.stored.intents),
        next_change_day=result.decision.next_change,
        ledger_entries=[
            _ledger_entry(mark, outcome, version, written=True) for outcome in result.decision.changes
        ],
        reverts=REVERTS_CODEC.encode(result.stored.reverts),
        recheck_ms=result.recheck_at_ms,
        dead_letter=_suppressed(result),
        drift=_manual_changes(result, previous, needed.owned),
        settled_restores=RESTORES_CODEC.encode(result.restores),
    )
    return Settlement(
        op="plan",
        mark=mark,
        echo_digests=digest(result.customer),
        owned=OWNERSHIP_CODEC.encode(needed.owned),
        intents=INTENTS_CODEC.encode(result.stored.intents),
        reverts=REVERTS_CODEC.encode(result.stored.reverts),
        plan=encode_plan(plan),
        mark_fields={
            "expected_digest": needed.expected_digest,
            "missing_since_ms": "0",
            "stale_reads": "0",
        },
        ledger_entries=_recovered_entries(result),
        drift=_reverted(result),
        pending_restores=RESTORES_CODEC.encode(result.restores) or None,
    )


# after a write


def after_success(mark: Mark, plan: WritePlan) -> Settlement:
    """The response had the expected tags. From now on, an event with this record is an echo."""
    return Settlement(
        op="complete",
        mark=mark,
        echo_digests=plan.echo_digest,
        snapshot=plan.snapshot,
        owned=plan.owned,
        holds=plan.holds,
        intents=plan.intents_after,
        next_change_day=plan.next_change_day,
        ledger_entries=plan.ledger_entries,
        drift=plan.drift,
        settled_restores=plan.settled_restores or None,
        added=plan.add,
        removed=plan.remove,
        is_answered=True,
        dead_letter=plan.dead_letter,
        recheck_ms=plan.recheck_ms,
        note=WRITTEN,
    )


def after_mismatch(
    mark: Mark, plan: WritePlan, *, tags: frozenset[str], now_ms: int, jitter: float
) -> Settlement:
    """The response had other tags than expected (`tags`, folded): read and decide again, later each time.

    Somebody may have changed them meanwhile. But an added tag that is missing, or a removed tag that is there, also
    counts as reverted. Otherwise a tag that Haravan stores with another spelling would be written for ever.
    """
    reverted = [tag for tag in map(fold, plan.add) if tag not in tags]
    reverted += [tag for tag in map(fold, plan.remove) if tag in tags]
    history = REVERTS_CODEC.decode(plan.reverts)
    reverts = record_reverts(history, dict.fromkeys(reverted, now_ms), now_ms=now_ms)
    failure = ApiUnavailable(
        Sentence("the answer to a write had other tags than the record and the write together")
    )
    settlement = after_failure(mark, failure, counted=True, now_ms=now_ms, jitter=jitter)
    return msgspec.structs.replace(
        settlement,
        reverts=REVERTS_CODEC.encode(reverts),
        due_ms=settlement.due_ms and max(settlement.due_ms, now_ms + MISMATCH_DELAY_MS),
    )


def after_not_found(mark: Mark, *, now_ms: int) -> Settlement:
    """A write got a 404: read the customer again when a second 404 would confirm the deletion."""
    due_ms = now_ms + int(DELETION_CONFIRM_S * 1000)
    fields = {"missing_since_ms": str(mark.missing_since_ms or now_ms)}
    return Settlement(op="delay", mark=mark, due_ms=due_ms, mark_fields=fields)


# after either


def requeue(mark: Mark, *, note: str = "") -> Settlement:
    """Read and decide again."""
    return Settlement(op="requeue", mark=mark, note=note)


def after_failure(
    mark: Mark, exc: HaravanError, *, counted: bool, now_ms: int, jitter: float, single: bool = True
) -> Settlement:
    """A retry later, or a dead letter after too many attempts.

    An attempt is not `counted` if the shop is at fault. If the call was not for a `single` customer, another one of
    the batch may be at fault, so it never leads to a dead letter.
    """
    attempts = mark.attempts + (1 if counted else 0)
    rejected, denied = isinstance(exc, RequestRejected), isinstance(exc, AccessDenied)
    if counted and single and attempts >= (MAX_REJECTIONS if rejected else MAX_ATTEMPTS):
        cause = "denied" if denied else "rejected" if rejected else "unavailable"
        text = f"{exc} ({attempts} attempts)"
        if exc.response_text:
            text += f"; Haravan says: {exc.response_text}"
        letter = DeadLetterDraft(cause, text, transient=denied or not rejected)
        return Settlement(op="dead_letter", mark=mark, dead_letter=letter, note=str(exc))
    due_ms = now_ms + int(retry_delay_s(max(1, attempts), jitter) * 1000)
    return Settlement(
        op="delay", mark=mark, due_ms=due_ms, mark_fields={"attempts": str(attempts)}, note=str(exc)
    )


def while_late(mark: Mark, *, counted: bool, now_ms: int, jitter: float) -> Settlement:
    """As after a failure: the read goes on, and its result replaces this settlement.

    So the attempt is counted before the record is read, and the customer is not requested again meanwhile.
    """
    unanswered = ApiUnavailable(Sentence("GET customer is not answered yet"))
    settlement = after_failure(mark, unanswered, counted=counted, now_ms=now_ms, jitter=jitter)
    due_ms = settlement.due_ms and max(settlement.due_ms, now_ms + LATE_READ_MS)
    return msgspec.structs.replace(settlement, due_ms=due_ms)


def after_unreadable(mark: Mark, reason: str) -> Settlement:
    """A dead letter: another attempt would read the same malformed record."""
    return _dead_letter(mark, DeadLetterDraft("unreadable", reason))


def after_bug(mark: Mark, exc: Exception) -> Settlement:
    """A dead letter: a bug of ours concerns this customer, not the whole shop."""
    return _dead_letter(mark, DeadLetterDraft("bug", last_frames(exc)))


def after_failed_drains(mark: Mark) -> Settlement:
    """A dead letter without another read: the record has ended too many drains. It is tried again after a day."""
    text = (
        f"{mark.failed_drains} drains ended while they read this customer, the last one alone. "
        "The worker's log says how they ended"
    )
    return _dead_letter(mark, DeadLetterDraft(dead_letters.CRASH, text, transient=True))


def _dead_letter(mark: Mark, letter: DeadLetterDraft) -> Settlement:
    return Settlement(op="dead_letter", mark=mark, dead_letter=letter, note=letter.text)


# the parts of a settlement


def _ledger_entry(mark: Mark, change: TagOutcome, version: int, *, written: bool) -> bytes:
    """The entry of one added or removed tag. In shadow mode it is not `written`."""
    return encode_entry(
        LedgerEntry(
            action="+" if change.effect == "add" else "-",
            tag=change.tag,
            rule=change.rule,
            version=version,
            cause=cause_of(mark),
            values=change.evidence,
            delivery=mark.last_delivery,
            why=change.cause,
            written=written,
            prior=prior_state(change.undo, change.rule),
        )
    )


def _recovered_entries(result: UpToDate) -> list[bytes]:
    """The entries of writes without a response that turned out to have taken effect."""
    return [_recovered_entry(intent) for intent in result.recovered_writes]


def _recovered_entry(intent: WriteIntent) -> bytes:
    return encode_entry(
        LedgerEntry(
            action="-" if intent.is_removal else "+",
            tag=intent.tag,
            rule=intent.rule,
            version=intent.version,
            cause="recovered",
            values=intent.evidence,
            why=intent.cause or "recovered",
            prior=prior_state(intent.undo, intent.rule),
        )
    )


def _shadow_digest(changes: Iterable[TagOutcome]) -> str:
    """Equal for the same tags by the same rules, whatever amounts and versions led to them."""
    rows = sorted((change.effect == "add", change.tag, change.rule, change.cause) for change in changes)
    return hashlib.blake2b(msgspec.json.encode(rows), digest_size=8).hexdigest()


def _reverted(result: UpToDate) -> list[str]:
    """Our tags that somebody removed."""
    return [f"-{tag}" for tag in result.reverted_tags]


def _manual_changes(result: UpToDate, previous: Customer | None, owned: Iterable[str] = ()) -> list[str]:
    """All other manual changes since `previous`. `owned` are the folded tags that we owned before this decision."""
    stored = result.stored
    intents = (fold(intent.tag) for intent in (*stored.intents.values(), *result.recovered_writes))
    ours = {*stored.state.ownership, *owned, *intents, *map(fold, result.reverted_tags)}
    return external_changes(previous=previous, current=result.customer, ignore=ours)


def _suppressed(result: UpToDate) -> DeadLetterDraft | None:
    if not result.suppressed_tags:
        return None
    tags = ", ".join(result.suppressed_tags)
    text = f"{tags}: changed back three times within a day after we wrote it; stopped for a day"
    return DeadLetterDraft(f"undone:{tags}", text)
