"""What a judgement becomes in the store: one Item for each customer, and the plan of whoever is to be written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from service.domain.customers import Customer, digest, pack
from service.domain.failures import MOST_REJECTIONS, MOST_TRIES, retry_delay_s
from service.domain.judgement import Departed, Due, Hopeless, Judgement, Later, Settled
from service.domain.reasons import Reason
from service.domain.standing import pack_held, pack_intents, pack_owned, pack_restores
from service.domain.strikes import pack_strikes, strike, unpack_strikes
from service.domain.tags import after, fold, tag_set
from service.domain.touches import changed_by_others
from service.errors import HaravanError, Rejected
from service.store.ledger import Entry, before_of, pack_entry
from service.store.turns import Item, Letter, Mark


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """What is to be written for one customer, and what is to be kept once it is. Lives 30 s at most."""

    version: int
    decided_ms: int
    add: tuple[str, ...]
    remove: tuple[str, ...]
    expected: tuple[str, ...]  # folded tags of the answer, sorted
    read: str  # the digest of the record as it will be
    snap: bytes
    owned: bytes
    held: bytes
    intents: bytes  # to be stored before the first call
    intents_after: bytes
    day: int | None
    entries: list[bytes]
    strikes: bytes
    again_ms: int | None
    letter: Letter | None = None
    drift: list[str] = []  # what others did to the tags; msgspec copies an empty default
    restored: bytes = b""  # what was to be put back


pack_plan = msgspec.msgpack.Encoder().encode
unpack_plan = msgspec.msgpack.Decoder(Plan).decode
PLAN_MS: Final = 30_000  # an older plan is refused by permit.lua


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


def written(mark: Mark, plan: Plan) -> Item:
    """The plan was carried out, and the answer was as expected: only that state is no news from now on."""
    return Item(
        op="clear",
        cid=str(mark.customer),
        n=mark.n,
        read=plan.read,
        snap=plan.snap,
        owned=plan.owned,
        held=plan.held,
        intents=plan.intents_after,
        day=plan.day,
        entries=plan.entries,
        drift=plan.drift,
        restored=plan.restored or None,
        added=len(plan.add),
        removed=len(plan.remove),
        answered=True,
        letter=plan.letter,
        again=plan.again_ms,
    )


def disagrees(mark: Mark, plan: Plan, *, answered: frozenset[str], now_ms: int) -> Item:
    """The answer's tags are not what we expected: read and decide again.

    Somebody may have changed them meanwhile. But what we gave and is not there, or took and is, counts as
    undone: else a tag that Haravan stores otherwise would be written for ever.
    """
    undone = [tag for tag in map(fold, plan.add) if tag not in answered]
    undone += [tag for tag in map(fold, plan.remove) if tag in answered]
    strikes = strike(unpack_strikes(plan.strikes), dict.fromkeys(undone, now_ms), now_ms=now_ms)
    return Item(op="ready", cid=str(mark.customer), n=mark.n, strikes=pack_strikes(strikes))


def cause_of(mark: Mark) -> str:
    """Why the customer was looked at, in a word: the last reason that was given."""
    return mark.cause.rpartition(",")[2]


def is_explained(mark: Mark) -> bool:
    """Do a publish or the calendar explain why tags go? Then the removal brake does not count them."""
    return any(cause.startswith(("publish:", "schedule")) for cause in mark.cause.split(","))


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
        entries=_recovered(judged),
        drift=[*_undone(judged), *_by_others(judged, seen)],
        restored=pack_restores(judged.restores) or None,
        letter=_given_up(judged),
        again=judged.again_ms,
        shadow=_digest(decided.reasons) if decided.change else None,
        shown=[_entry(mark, reason, version, written=False) for reason in shown],
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
        entries=[_entry(mark, reason, version, written=True) for reason in due.reasons],
        strikes=pack_strikes(judged.background.strikes),
        again_ms=judged.again_ms,
        letter=_given_up(judged),
        drift=_by_others(judged, seen, due.owned),
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
        entries=_recovered(judged),
        drift=_undone(judged),
        restores=pack_restores(judged.restores) or None,
    )


def _entry(mark: Mark, reason: Reason, version: int, *, written: bool) -> bytes:
    return pack_entry(
        Entry(
            action="+" if reason.added else "-",
            tag=reason.tag,
            rule=reason.rule,
            version=version,
            cause=cause_of(mark),
            values=reason.values,
            delivery=mark.ids.rpartition(",")[2],
            why=reason.why,
            written=written,
            before=before_of(reason.stood, reason.rule),
        )
    )


def _digest(reasons: Iterable[Reason]) -> str:
    """The same for the same tags by the same rules, whatever amounts and versions led to it."""
    said = sorted((one.added, one.tag, one.rule, one.why) for one in reasons)
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=8).hexdigest()


def _recovered(judged: Settled) -> list[bytes]:
    """Writes whose answer was lost: the record shows that they arrived, so the ledger gets its entry now."""
    return [
        pack_entry(
            Entry(
                action="-" if one.taken else "+",
                tag=one.tag,
                rule=one.rule,
                version=one.version,
                cause="recovered",
                values=one.values,
                why=one.why or "recovered",
                before=before_of(one.stood, one.rule),
            )
        )
        for one in judged.recovered
    ]


def _undone(judged: Settled) -> list[str]:
    return [f"-{tag}" for tag in judged.drifted]


def _by_others(judged: Settled, seen: Customer | None, owned: Iterable[str] = ()) -> list[str]:
    """What else others did to the tags; `owned`: folded tags that were ours until this decision."""
    kept = judged.background
    begun = (fold(one.tag) for one in (*kept.intents.values(), *judged.recovered))
    known = {*kept.standing.owned, *owned, *begun, *map(fold, judged.drifted)}
    return changed_by_others(seen=seen, record=judged.customer, ours=known)


def _given_up(judged: Settled) -> Letter | None:
    if not judged.given_up:
        return None
    tags = ", ".join(judged.given_up)
    return Letter(
        f"undone:{tags}", f"{tags}: taken off three times within a day after we gave it; stopped for a day"
    )
