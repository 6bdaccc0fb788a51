"""What a judgement becomes in the store: one Item for each customer; whoever is to be written gets a plan."""

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
from service.store.settlements import Item, Letter, Mark
from workers import entries
from workers.plans import Plan, pack_plan


def item(
    mark: Mark, judgement: Judgement, *, version: int, now_ms: int, seen: Customer | None = None
) -> Item:
    """The settlement of a judged customer, who was last `seen` like that."""
    match judgement:
        case Settled():
            return _settled(mark, judgement, version=version, seen=seen)
        case Due():
            return _due(mark, judgement, version=version, now_ms=now_ms, seen=seen)
        case Later(due_ms, _, fields):
            return Item(op="later", cid=str(mark.customer), n=mark.n, due=due_ms, fields=dict(fields))
        case Hopeless(cause, text, transient):
            letter = Letter(cause, text, transient=transient)
            return Item(op="dead", cid=str(mark.customer), n=mark.n, letter=letter)
        case Departed():
            return Item(op="purge", cid=str(mark.customer), n=mark.n)


def failed(
    mark: Mark, exc: HaravanError, *, counted: bool, now_ms: int, dice: float, alone: bool = True
) -> Item:
    """A call failed: a retry later, or a dead letter once there were enough. What is not `counted` is the shop's.

    Not `alone`: others were asked for in the same call, so this customer may not be the one at fault.
    """
    tries = mark.tries + (1 if counted else 0)
    rejected = isinstance(exc, Rejected)
    if counted and alone and tries >= (MOST_REJECTIONS if rejected else MOST_TRIES):
        cause = "rejected" if rejected else "unavailable"
        letter = Letter(cause, f"{exc} ({tries} tries)", transient=not rejected)
        return Item(op="dead", cid=str(mark.customer), n=mark.n, letter=letter)
    due = now_ms + int(retry_delay_s(max(1, tries), dice) * 1000)
    return Item(op="later", cid=str(mark.customer), n=mark.n, due=due, fields={"tries": str(tries)})


def again(mark: Mark) -> Item:
    """Read and decide again."""
    return Item(op="ready", cid=str(mark.customer), n=mark.n)


def buried(mark: Mark, *, cause: str, text: str) -> Item:
    """A dead letter of something that trying again will not mend."""
    return Item(op="dead", cid=str(mark.customer), n=mark.n, letter=Letter(cause, text))


def is_explained(mark: Mark) -> bool:
    """Whether a run that explains removals, or the calendar, explains why tags go: the removal brake counts the others."""
    return any(cause.partition(":")[0] in _EXPLAINED for cause in mark.cause.split(","))


_EXPLAINED = frozenset({*EXPLAIN_REMOVALS, "schedule"})


def _settled(mark: Mark, judged: Settled, *, version: int, seen: Customer | None) -> Item:
    decided = judged.decision
    shown = decided.reasons if decided.change else ()
    return Item(
        op="clear",
        cid=str(mark.customer),
        n=mark.n,
        read=digest(judged.customer),
        snap=pack(judged.customer),
        owned=pack_owned(judged.background.standing.owned),
        held=pack_held(judged.background.standing.held),
        intents=pack_intents(judged.background.intents),
        strikes=pack_strikes(judged.background.strikes),
        day=decided.next_change,
        entries=entries.recovered(judged),
        drift=[*entries.undone(judged), *entries.by_others(judged, seen)],
        restored=pack_restores(judged.restores) or None,
        letter=_given_up(judged),
        again=judged.again_ms,
        shadow=entries.digest(decided.reasons) if decided.change else None,
        shown=[entries.entry(mark, reason, version, written=False) for reason in shown],
    )


def _due(mark: Mark, due: Due, *, version: int, now_ms: int, seen: Customer | None) -> Item:
    judged = due.settled
    expected = after(tag_set(judged.customer.tags), due.change)
    plan = Plan(
        version=version,
        decided_ms=now_ms,
        add=due.change.add,
        remove=due.change.remove,
        expected=tuple(sorted(expected.keys)),
        read=due.expected,
        snap=pack(msgspec.structs.replace(judged.customer, tags=expected.listed)),
        owned=pack_owned(judged.background.standing.owned),
        held=pack_held(judged.background.standing.held),
        intents=pack_intents(due.intents),
        intents_after=pack_intents(judged.background.intents),
        day=judged.decision.next_change,
        entries=[entries.entry(mark, reason, version, written=True) for reason in due.reasons],
        strikes=pack_strikes(judged.background.strikes),
        again_ms=judged.again_ms,
        letter=_given_up(judged),
        drift=entries.by_others(judged, seen, due.owned),
        restored=pack_restores(judged.restores),
    )
    return Item(
        op="plan",
        cid=str(mark.customer),
        n=mark.n,
        read=digest(judged.customer),
        owned=pack_owned(due.owned),
        intents=pack_intents(judged.background.intents),
        strikes=pack_strikes(judged.background.strikes),
        plan=pack_plan(plan),
        fields={"expected": due.expected, "gone": "0", "lag": "0"},
        entries=entries.recovered(judged),
        drift=entries.undone(judged),
        restores=pack_restores(judged.restores) or None,
    )


def _given_up(judged: Settled) -> Letter | None:
    if not judged.given_up:
        return None
    tags = ", ".join(judged.given_up)
    text = f"{tags}: changed back three times within a day after we wrote it; stopped for a day"
    return Letter(f"undone:{tags}", text)
