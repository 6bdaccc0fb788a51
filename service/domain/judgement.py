"""What becomes of one marked customer, given what was fetched: the drain's whole decision, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from service.domain.aftermath import settle_begun, to_restore, undone_by_others, without
from service.domain.customers import Customer, digest
from service.domain.decision import Decision, decide
from service.domain.evaluation import Compiled
from service.domain.failures import GONE_CONFIRM_S, LAG_LOOK_AGAIN_S, LAG_WAITS_S
from service.domain.ownership import INTENT_MS, intent_key, still_ours
from service.domain.reasons import Reason
from service.domain.records import Record
from service.domain.standing import Intent, Owned, Standing, Stood
from service.domain.strikes import Strikes, stopped, strike
from service.domain.tags import TagChange, after, fold, tag_set


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
    return Later(first + confirm_ms, "gone", {"missing_since_ms": str(first), "lane": "bulk"})


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
        return Later(
            scene.now_ms + wait_ms, "lag", {"stale_reads": str(asked.lag + 1), "missing_since_ms": "0"}
        )
    return _decided(asked, record.customer, background, scene)


def _decided(asked: Asked, customer: Customer, background: Background, scene: Scene) -> Settled | Due:
    current = tag_set(customer.tags)
    before = background.standing
    owned, left, found = settle_begun(
        before=before.owned, intents=background.intents, current=current, now_ms=scene.now_ms
    )
    restores = to_restore(before, found, scene.compiled.undone)
    standing = replace(before, owned=owned, restores=restores)
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
    undone = undone_by_others(
        gone,
        fresh=fresh,
        wanted=frozenset(map(fold, decision.change.add)),
        strikes=background.strikes,
        now_ms=scene.now_ms,
    )
    drifted = tuple(one.tag for key, one in gone.items() if key in undone or key not in fresh)
    strikes = background.strikes
    if undone and not scene.shadow:
        strikes = strike(strikes, undone, now_ms=scene.now_ms)
    decision, given_up = without(decision, stopped(strikes, now_ms=scene.now_ms), standing)
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
