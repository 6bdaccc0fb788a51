"""What becomes of one marked customer, given what was fetched: the drain's whole decision, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from service.domain.customers import Customer, digest
from service.domain.decision import Decision, decide
from service.domain.evaluation import Compiled
from service.domain.failures import GONE_CONFIRM_S, LAG_LOOK_AGAIN_S, LAG_WAITS_S
from service.domain.ownership import INTENT_MS, intent_key, settle_intents, still_ours
from service.domain.reasons import Reason
from service.domain.records import Record
from service.domain.standing import Intent, Owned, Standing, Stood
from service.domain.strikes import Strikes, stopped, strike
from service.domain.tags import TagChange, TagSet, after, fold, tag_set


@dataclass(frozen=True, slots=True)
class Scene:
    """What a whole batch is judged by: the rules, their version, the moment and the shop's day (ordinal)."""

    compiled: Compiled
    version: int
    now_ms: int
    today: int
    shadow: bool = False  # decide, show, write nothing


@dataclass(frozen=True, slots=True)
class Background:
    """What we keep about the customer besides the record."""

    standing: Standing = field(default_factory=Standing)
    intents: Mapping[str, Intent] = field(default_factory=dict)
    strikes: Strikes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the mark says: the newest moment that a webhook told, and what earlier looks found."""

    updated_ms: int = 0
    lag: int = 0
    gone_ms: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is to be written. `again_ms`: look once more then, because the record may still lag.

    `restores`: what was to be put back, and is settled by this.
    """

    customer: Customer
    background: Background
    decision: Decision
    recovered: tuple[Intent, ...] = ()  # writes whose answer was lost, found in the record
    drifted: tuple[str, ...] = ()  # tags of ours that somebody took off
    given_up: tuple[str, ...] = ()  # tags that are not given any more today
    again_ms: int | None = None
    restores: Mapping[str, Stood] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Due:
    """Tags are to be written. `expected`: the record's digest once that is done.

    `owned`: what is ours in the record as it was fetched, to be kept before the first call: the intents that
    it settles are forgotten by then, and an undone tag must not be counted twice.
    """

    settled: Settled
    owned: Mapping[str, Owned]
    change: TagChange
    reasons: tuple[Reason, ...]
    intents: Mapping[str, Intent]  # to be stored before the first call
    expected: str


@dataclass(frozen=True, slots=True)
class Later:
    """Look again at `due_ms`; `fields` are remembered in the mark."""

    due_ms: int
    cause: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hopeless:
    """Trying again now will not help: a person has to look. `transient`: it may pass by itself within days."""

    cause: str
    text: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Departed:
    """The customer was deleted: seen twice, ten minutes apart."""


Judgement = Settled | Due | Later | Hopeless | Departed
MISSING: Final = "missing"
ALWAYS_READ: Final = frozenset({"tags"})  # without the key nobody knows which tags there are


def judge_absent(asked: Asked, *, now_ms: int) -> Later | Departed:
    """A 404 is believed when it is seen again at least ten minutes later: only the body of a webhook is signed."""
    confirm_ms = int(GONE_CONFIRM_S * 1000)
    if asked.gone_ms and now_ms - asked.gone_ms >= confirm_ms:
        return Departed()
    first = min(asked.gone_ms or now_ms, now_ms)  # a moment to come: the clock was set back
    return Later(first + confirm_ms, "gone", {"gone": str(first), "lane": "bulk"})


def lags(asked: Asked, customer: Customer) -> bool:
    """Is the record older than what a webhook has told of it?

    Whole seconds are compared: the admin dialect's records have no more, a webhook's body has.
    """
    shown_ms = customer.updated_ms
    return bool(asked.updated_ms and shown_ms is not None and shown_ms // 1000 < asked.updated_ms // 1000)


def judge(asked: Asked, record: Record, background: Background, scene: Scene) -> Judgement:
    """Decide what becomes of a customer whose record was fetched."""
    lacking = record.missing & (scene.compiled.reads | ALWAYS_READ)
    if lacking:
        names = ", ".join(sorted(lacking))
        return Hopeless(MISSING, f"the record has no {names}, which a live rule reads", transient=True)
    if lags(asked, record.customer) and asked.lag < len(LAG_WAITS_S):
        wait_ms = int(LAG_WAITS_S[asked.lag] * 1000)
        return Later(scene.now_ms + wait_ms, "lag", {"lag": str(asked.lag + 1), "gone": "0"})
    return _decided(asked, record.customer, background, scene)


def _decided(asked: Asked, customer: Customer, background: Background, scene: Scene) -> Settled | Due:
    current = tag_set(customer.tags)
    owned, left, found = _settle_begun(background, current, now_ms=scene.now_ms)
    standing = replace(
        background.standing, owned=owned, restores=_to_restore(background, found, scene.compiled.undone)
    )
    decision = decide(
        compiled=scene.compiled,
        customer=customer,
        standing=standing,
        today=scene.today,
        now_ms=scene.now_ms,
        version=scene.version,
    )
    there = {key: one for key, one in owned.items() if key in current.spelled}
    fresh = still_ours(owned, current, now_ms=scene.now_ms)
    gone = {key: one for key, one in owned.items() if key not in there}
    undone = _undone(gone, fresh, frozenset(map(fold, decision.change.add)), background.strikes, scene.now_ms)
    drifted = tuple(one.tag for key, one in gone.items() if key in undone or key not in fresh)
    strikes = background.strikes
    if undone and not scene.shadow:
        strikes = strike(strikes, undone, now_ms=scene.now_ms)
    decision, given_up = _without(decision, stopped(strikes, now_ms=scene.now_ms), standing)
    for tag in given_up:
        fresh.pop(fold(tag), None)
    decision = msgspec.structs.replace(
        decision, standing=replace(decision.standing, owned={**fresh, **decision.standing.owned})
    )
    settled = Settled(
        customer=customer,
        background=Background(decision.standing, left, strikes),
        decision=decision,
        recovered=found,
        drifted=drifted,
        given_up=given_up,
        again_ms=_again_ms(asked, customer, left, fresh, now_ms=scene.now_ms),
        restores=standing.restores,
    )
    if not decision.change:
        return settled
    if scene.shadow:
        kept = Background(replace(standing, owned={**fresh, **there}), left, strikes)
        return replace(settled, background=kept, restores={})  # still to be put back, when it counts
    return _due(settled, {**fresh, **there}, scene)


def _undone(
    gone: Mapping[str, Owned],
    fresh: Mapping[str, Owned],
    wanted: frozenset[str],
    strikes: Strikes,
    now_ms: int,
) -> dict[str, int]:
    """Tags of ours that somebody took off and that are wanted, each with the moment to note.

    A giving can be undone once, however often it is read. A fresh one stays ours while it is absent, so it is
    known again by its own moment: the clock of the moment of reading may have been set back since.
    """
    moments = {key: one.since_ms if key in fresh else now_ms for key, one in gone.items() if key in wanted}
    return {key: at for key, at in moments.items() if at not in strikes.get(key, ())}


def _settle_begun(
    background: Background, current: TagSet, *, now_ms: int
) -> tuple[dict[str, Owned], dict[str, Intent], tuple[Intent, ...]]:
    """Settle writes whose answer was lost: what is ours now, what may still land, and what has landed."""
    before = background.standing.owned
    owned, left = settle_intents(owned=before, intents=background.intents, current=current, now_ms=now_ms)
    found = [
        one
        for one in background.intents.values()
        if (fold(one.tag) in before) is one.taken and (fold(one.tag) in owned) is not one.taken
    ]
    return owned, left, tuple(found)


def _to_restore(
    background: Background, found: tuple[Intent, ...], undone: frozenset[int]
) -> Mapping[str, Stood]:
    """What is to be put back, with the removals of undone versions that were under way when these were undone."""
    before, known = background.standing.owned, background.standing.restores
    late = {
        fold(one.tag): one.stood
        for one in found
        if one.taken
        and one.version in undone
        and one.stood is not None
        # Later ones are ours anew: what took the tag since was a person.
        and before[fold(one.tag)].since_ms < one.at_ms
    }
    return {**late, **known} if late else known


def _again_ms(
    asked: Asked,
    customer: Customer,
    left: Mapping[str, Intent],
    fresh: Mapping[str, Owned],
    *,
    now_ms: int,
) -> int | None:
    """When to look once more without being told: the record lags, or a write may not show yet."""
    looks = [one.at_ms + INTENT_MS for one in left.values()]
    looks += [one.since_ms + INTENT_MS for one in fresh.values()]
    if lags(asked, customer):
        looks.append(now_ms + int(LAG_LOOK_AGAIN_S * 1000))
    return max(looks, default=None)


def _without(
    decision: Decision, refused: frozenset[str], before: Standing
) -> tuple[Decision, tuple[str, ...]]:
    """Leave out what was undone too often: what is not given is not ours, what is not taken stays ours."""
    given_up = tuple(tag for tag in (*decision.change.add, *decision.change.remove) if fold(tag) in refused)
    if not given_up:
        return decision, ()
    keys = frozenset(map(fold, given_up))
    owned = {key: one for key, one in decision.standing.owned.items() if key not in keys}
    owned |= {
        fold(tag): before.owned[fold(tag)]
        for tag in decision.change.remove
        if fold(tag) in keys & before.owned.keys()
    }
    change = TagChange(
        add=tuple(tag for tag in decision.change.add if fold(tag) not in keys),
        remove=tuple(tag for tag in decision.change.remove if fold(tag) not in keys),
    )
    reasons = tuple(one for one in decision.reasons if fold(one.tag) not in keys)
    kept = replace(decision.standing, owned=owned)
    return msgspec.structs.replace(decision, change=change, reasons=reasons, standing=kept), given_up


def _due(settled: Settled, owned: Mapping[str, Owned], scene: Scene) -> Due:
    change, reasons = settled.decision.change, settled.decision.reasons
    expected = after(tag_set(settled.customer.tags), change)
    begun = [
        Intent(one.tag, one.rule, scene.now_ms, scene.version, not one.added, one.why, one.values, one.stood)
        for one in reasons
    ]
    return Due(
        settled=settled,
        owned=owned,
        change=change,
        reasons=reasons,
        intents={**settled.background.intents, **{intent_key(one): one for one in begun}},
        expected=digest(msgspec.structs.replace(settled.customer, tags=expected.listed)),
    )
