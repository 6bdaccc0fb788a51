"""What a judgement becomes in the store: one settlement for each customer, with a plan where tags are to be written."""

from __future__ import annotations

import msgspec

from service.domain.customers import Customer, after, digest, encode_snapshot, tag_set
from service.domain.decisions import HOLDS_CODEC, INTENTS_CODEC, OWNERSHIP_CODEC, RESTORES_CODEC
from service.domain.sync import (
    MAX_ATTEMPTS,
    MAX_REJECTIONS,
    REVERTS_CODEC,
    Deleted,
    Outcome,
    RetryLater,
    Unprocessable,
    UpToDate,
    WriteNeeded,
    retry_delay_s,
)
from service.errors import HaravanError, RequestRejected
from service.store.jobs import EXPLAIN_REMOVALS
from service.store.queue import DeadLetterDraft, Mark, Settlement
from workers.drain import entries
from workers.drain.plans import WritePlan, encode_plan


def settlement_for(
    mark: Mark, outcome: Outcome, *, version: int, now_ms: int, seen: Customer | None = None
) -> Settlement:
    """The settlement of an evaluated customer, who was last `seen` like that."""
    match outcome:
        case UpToDate():
            return _up_to_date(mark, outcome, version=version, seen=seen)
        case WriteNeeded():
            return _write_needed(mark, outcome, version=version, now_ms=now_ms, seen=seen)
        case RetryLater(due_ms, _, fields):
            return Settlement(op="delay", mark=mark, due_ms=due_ms, mark_fields=dict(fields))
        case Unprocessable(cause, text, transient):
            letter = DeadLetterDraft(cause, text, transient=transient)
            return Settlement(op="dead_letter", mark=mark, dead_letter=letter)
        case Deleted():
            return Settlement(op="delete", mark=mark)


def after_failure(
    mark: Mark, exc: HaravanError, *, counted: bool, now_ms: int, dice: float, alone: bool = True
) -> Settlement:
    """A call failed: a retry later, or a dead letter once there were enough. What is not `counted` is the shop's.

    Not `alone`: others were asked for in the same call, so this customer may not be the one at fault.
    """
    attempts = mark.attempts + (1 if counted else 0)
    rejected = isinstance(exc, RequestRejected)
    if counted and alone and attempts >= (MAX_REJECTIONS if rejected else MAX_ATTEMPTS):
        cause = "rejected" if rejected else "unavailable"
        letter = DeadLetterDraft(cause, f"{exc} ({attempts} tries)", transient=not rejected)
        return Settlement(op="dead_letter", mark=mark, dead_letter=letter, note=str(exc))
    due = now_ms + int(retry_delay_s(max(1, attempts), dice) * 1000)
    return Settlement(
        op="delay", mark=mark, due_ms=due, mark_fields={"attempts": str(attempts)}, note=str(exc)
    )


def requeue(mark: Mark, *, note: str = "") -> Settlement:
    """Read and decide again."""
    return Settlement(op="requeue", mark=mark, note=note)


def dead_letter(mark: Mark, *, cause: str, text: str) -> Settlement:
    """A dead letter of something that trying again will not mend."""
    return Settlement(op="dead_letter", mark=mark, dead_letter=DeadLetterDraft(cause, text), note=cause)


def is_expected_removal(mark: Mark) -> bool:
    """Whether the schedule or a run that explains removals is among the reasons. The removal guard counts the others."""
    return any(reason.partition(":")[0] in _EXPECTED for reason in mark.reasons.split(","))


_EXPECTED = frozenset({*EXPLAIN_REMOVALS, "schedule"})


def _up_to_date(mark: Mark, result: UpToDate, *, version: int, seen: Customer | None) -> Settlement:
    changes = result.decision.changes
    return Settlement(
        op="complete",
        mark=mark,
        echo_digests=digest(result.customer),
        snapshot=encode_snapshot(result.customer),
        owned=OWNERSHIP_CODEC.encode(result.stored.state.ownership),
        holds=HOLDS_CODEC.encode(result.stored.state.holds),
        intents=INTENTS_CODEC.encode(result.stored.intents),
        reverts=REVERTS_CODEC.encode(result.stored.reverts),
        next_change_day=result.decision.next_change,
        ledger_entries=entries.recovered_writes(result),
        drift=[*entries.reverted_tags(result), *entries.manual_changes(result, seen)],
        settled_restores=RESTORES_CODEC.encode(result.restores) or None,
        dead_letter=_given_up(result),
        recheck_ms=result.recheck_at_ms,
        shadow_digest=entries.digest(changes) if changes else None,
        shadow_entries=[entries.ledger_entry(mark, outcome, version, written=False) for outcome in changes],
    )


def _write_needed(
    mark: Mark, needed: WriteNeeded, *, version: int, now_ms: int, seen: Customer | None
) -> Settlement:
    result, change = needed.result, needed.result.decision.change
    expected = after(tag_set(result.customer.tags), change)
    plan = WritePlan(
        version=version,
        decided_ms=now_ms,
        add=change.add,
        remove=change.remove,
        expected=tuple(sorted(expected.keys)),
        echo_digest=needed.expected_digest,
        snapshot=encode_snapshot(msgspec.structs.replace(result.customer, tags=expected.names)),
        owned=OWNERSHIP_CODEC.encode(result.stored.state.ownership),
        holds=HOLDS_CODEC.encode(result.stored.state.holds),
        intents=INTENTS_CODEC.encode(needed.intents),
        intents_after=INTENTS_CODEC.encode(result.stored.intents),
        next_change_day=result.decision.next_change,
        ledger_entries=[
            entries.ledger_entry(mark, one, version, written=True) for one in result.decision.changes
        ],
        reverts=REVERTS_CODEC.encode(result.stored.reverts),
        recheck_ms=result.recheck_at_ms,
        dead_letter=_given_up(result),
        drift=entries.manual_changes(result, seen, needed.owned),
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
        ledger_entries=entries.recovered_writes(result),
        drift=entries.reverted_tags(result),
        pending_restores=RESTORES_CODEC.encode(result.restores) or None,
    )


def _given_up(result: UpToDate) -> DeadLetterDraft | None:
    if not result.suppressed_tags:
        return None
    tags = ", ".join(result.suppressed_tags)
    text = f"{tags}: changed back three times within a day after we wrote it; stopped for a day"
    return DeadLetterDraft(f"undone:{tags}", text)
