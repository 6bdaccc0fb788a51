"""What a judgement becomes in the store: one Item for each customer; whoever is to be written gets a plan."""

from __future__ import annotations

import msgspec

from service.domain import judgement
from service.domain.customers import Customer, digest, pack
from service.domain.failures import MOST_REJECTIONS, MOST_TRIES, retry_delay_s
from service.domain.judgement import Deleted, RetryLater, Unprocessable, UpToDate, WriteNeeded
from service.domain.standing import HOLDS_CODEC, INTENTS_CODEC, OWNERSHIP_CODEC, RESTORES_CODEC
from service.domain.strikes import REVERTS_CODEC
from service.domain.tags import after, tag_set
from service.errors import HaravanError, Rejected
from service.store.settlements import Item, Letter, Mark
from workers import entries
from workers.plans import Plan, pack_plan


def item(
    mark: Mark, outcome: judgement.Outcome, *, version: int, now_ms: int, seen: Customer | None = None
) -> Item:
    """The settlement of an evaluated customer, who was last `seen` like that."""
    match outcome:
        case UpToDate():
            return _up_to_date(mark, outcome, version=version, seen=seen)
        case WriteNeeded():
            return _write_needed(mark, outcome, version=version, now_ms=now_ms, seen=seen)
        case RetryLater(due_ms, _, fields):
            return Item(op="later", cid=str(mark.customer), n=mark.n, due=due_ms, fields=dict(fields))
        case Unprocessable(cause, text, transient):
            letter = Letter(cause, text, transient=transient)
            return Item(op="dead", cid=str(mark.customer), n=mark.n, letter=letter)
        case Deleted():
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
    """Do a publish or the calendar explain why tags go? Then the removal brake does not count them."""
    return any(cause.startswith(("publish:", "schedule")) for cause in mark.cause.split(","))


def _up_to_date(mark: Mark, result: UpToDate, *, version: int, seen: Customer | None) -> Item:
    changes = result.decision.changes
    return Item(
        op="clear",
        cid=str(mark.customer),
        n=mark.n,
        read=digest(result.customer),
        snap=pack(result.customer),
        owned=OWNERSHIP_CODEC.encode(result.stored.standing.owned),
        held=HOLDS_CODEC.encode(result.stored.standing.held),
        intents=INTENTS_CODEC.encode(result.stored.intents),
        strikes=REVERTS_CODEC.encode(result.stored.reverts),
        day=result.decision.next_change,
        entries=entries.recovered(result),
        drift=[*entries.undone(result), *entries.by_others(result, seen)],
        restored=RESTORES_CODEC.encode(result.restores) or None,
        letter=_given_up(result),
        again=result.recheck_at_ms,
        shadow=entries.digest(changes) if changes else None,
        shown=[entries.entry(mark, outcome, version, written=False) for outcome in changes],
    )


def _write_needed(
    mark: Mark, needed: WriteNeeded, *, version: int, now_ms: int, seen: Customer | None
) -> Item:
    result, change = needed.result, needed.result.decision.change
    expected = after(tag_set(result.customer.tags), change)
    plan = Plan(
        version=version,
        decided_ms=now_ms,
        add=change.add,
        remove=change.remove,
        expected=tuple(sorted(expected.keys)),
        read=needed.expected_digest,
        snap=pack(msgspec.structs.replace(result.customer, tags=expected.listed)),
        owned=OWNERSHIP_CODEC.encode(result.stored.standing.owned),
        held=HOLDS_CODEC.encode(result.stored.standing.held),
        intents=INTENTS_CODEC.encode(needed.intents),
        intents_after=INTENTS_CODEC.encode(result.stored.intents),
        day=result.decision.next_change,
        entries=[entries.entry(mark, one, version, written=True) for one in result.decision.changes],
        strikes=REVERTS_CODEC.encode(result.stored.reverts),
        again_ms=result.recheck_at_ms,
        letter=_given_up(result),
        drift=entries.by_others(result, seen, needed.owned),
        restored=RESTORES_CODEC.encode(result.restores),
    )
    return Item(
        op="plan",
        cid=str(mark.customer),
        n=mark.n,
        read=digest(result.customer),
        owned=OWNERSHIP_CODEC.encode(needed.owned),
        intents=INTENTS_CODEC.encode(result.stored.intents),
        strikes=REVERTS_CODEC.encode(result.stored.reverts),
        plan=pack_plan(plan),
        fields={"expected": needed.expected_digest, "gone": "0", "lag": "0"},
        entries=entries.recovered(result),
        drift=entries.undone(result),
        restores=RESTORES_CODEC.encode(result.restores) or None,
    )


def _given_up(result: UpToDate) -> Letter | None:
    if not result.suppressed_tags:
        return None
    tags = ", ".join(result.suppressed_tags)
    text = f"{tags}: changed back three times within a day after we wrote it; stopped for a day"
    return Letter(f"undone:{tags}", text)
