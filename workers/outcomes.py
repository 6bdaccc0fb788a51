"""What a judgement becomes in the store: one settlement for each customer, with a plan where tags are to be written."""

from __future__ import annotations

import msgspec

from service.domain.customers import Customer, digest, pack
from service.domain.failures import MOST_REJECTIONS, MOST_TRIES, retry_delay_s
from service.domain.judgement import Departed, Due, Hopeless, Judgement, Later, Settled
from service.domain.standing import pack_held, pack_intents, pack_owned, pack_restores
from service.domain.strikes import pack_strikes
from service.domain.tags import after, tag_set
from service.errors import HaravanError, Rejected
from service.store.runs import EXPLAIN_REMOVALS
from service.store.settlements import Letter, Mark, Settlement
from workers import entries
from workers.plans import WritePlan, pack_plan


def settlement_for(
    mark: Mark, judgement: Judgement, *, version: int, now_ms: int, seen: Customer | None = None
) -> Settlement:
    """The settlement of a judged customer, who was last `seen` like that."""
    match judgement:
        case Settled():
            return _settled(mark, judgement, version=version, seen=seen)
        case Due():
            return _due(mark, judgement, version=version, now_ms=now_ms, seen=seen)
        case Later(due_ms, _, fields):
            return Settlement(op="delay", mark=mark, due_ms=due_ms, mark_fields=dict(fields))
        case Hopeless(cause, text, transient):
            letter = Letter(cause, text, transient=transient)
            return Settlement(op="dead_letter", mark=mark, dead_letter=letter)
        case Departed():
            return Settlement(op="delete", mark=mark)


def after_failure(
    mark: Mark, exc: HaravanError, *, counted: bool, now_ms: int, dice: float, alone: bool = True
) -> Settlement:
    """A call failed: a retry later, or a dead letter once there were enough. What is not `counted` is the shop's.

    Not `alone`: others were asked for in the same call, so this customer may not be the one at fault.
    """
    attempts = mark.attempts + (1 if counted else 0)
    rejected = isinstance(exc, Rejected)
    if counted and alone and attempts >= (MOST_REJECTIONS if rejected else MOST_TRIES):
        cause = "rejected" if rejected else "unavailable"
        letter = Letter(cause, f"{exc} ({attempts} tries)", transient=not rejected)
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
    return Settlement(op="dead_letter", mark=mark, dead_letter=Letter(cause, text), note=cause)


def is_expected_removal(mark: Mark) -> bool:
    """Whether the schedule or a run that explains removals is among the reasons. The removal guard counts the others."""
    return any(reason.partition(":")[0] in _EXPECTED for reason in mark.reasons.split(","))


_EXPECTED = frozenset({*EXPLAIN_REMOVALS, "schedule"})


def _settled(mark: Mark, judged: Settled, *, version: int, seen: Customer | None) -> Settlement:
    decided = judged.decision
    shown = decided.reasons if decided.change else ()
    return Settlement(
        op="complete",
        mark=mark,
        echo_digests=digest(judged.customer),
        snapshot=pack(judged.customer),
        owned=pack_owned(judged.background.standing.owned),
        holds=pack_held(judged.background.standing.held),
        intents=pack_intents(judged.background.intents),
        reverts=pack_strikes(judged.background.strikes),
        next_change_day=decided.next_change,
        ledger_entries=entries.recovered(judged),
        drift=[*entries.undone(judged), *entries.by_others(judged, seen)],
        settled_restores=pack_restores(judged.restores) or None,
        dead_letter=_given_up(judged),
        recheck_ms=judged.again_ms,
        shadow_digest=entries.digest(decided.reasons) if decided.change else None,
        shadow_entries=[entries.entry(mark, reason, version, written=False) for reason in shown],
    )


def _due(mark: Mark, due: Due, *, version: int, now_ms: int, seen: Customer | None) -> Settlement:
    judged = due.settled
    expected = after(tag_set(judged.customer.tags), due.change)
    plan = WritePlan(
        version=version,
        decided_ms=now_ms,
        add=due.change.add,
        remove=due.change.remove,
        expected=tuple(sorted(expected.keys)),
        echo_digest=due.expected,
        snapshot=pack(msgspec.structs.replace(judged.customer, tags=expected.listed)),
        owned=pack_owned(judged.background.standing.owned),
        holds=pack_held(judged.background.standing.held),
        intents=pack_intents(due.intents),
        intents_after=pack_intents(judged.background.intents),
        next_change_day=judged.decision.next_change,
        ledger_entries=[entries.entry(mark, reason, version, written=True) for reason in due.reasons],
        reverts=pack_strikes(judged.background.strikes),
        recheck_ms=judged.again_ms,
        dead_letter=_given_up(judged),
        drift=entries.by_others(judged, seen, due.owned),
        settled_restores=pack_restores(judged.restores),
    )
    return Settlement(
        op="plan",
        mark=mark,
        echo_digests=digest(judged.customer),
        owned=pack_owned(due.owned),
        intents=pack_intents(judged.background.intents),
        reverts=pack_strikes(judged.background.strikes),
        plan=pack_plan(plan),
        mark_fields={"expected_digest": due.expected, "missing_since_ms": "0", "stale_reads": "0"},
        ledger_entries=entries.recovered(judged),
        drift=entries.undone(judged),
        pending_restores=pack_restores(judged.restores) or None,
    )


def _given_up(judged: Settled) -> Letter | None:
    if not judged.given_up:
        return None
    tags = ", ".join(judged.given_up)
    text = f"{tags}: changed back three times within a day after we wrote it; stopped for a day"
    return Letter(f"undone:{tags}", text)
