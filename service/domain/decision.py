"""The decision: what one customer's tags should become, as a pure function of all that it depends on."""

from __future__ import annotations

from typing import Final

import msgspec

from service.domain.customers import Customer
from service.domain.evaluation import Compiled, CompiledTier, TagStep
from service.domain.facts import Facts, fold
from service.domain.reasons import HeldBack, Reason
from service.domain.standing import Standing
from service.domain.tag_steps import settle_gone, settle_tag
from service.domain.tags import TagChange
from service.domain.tier_steps import settle_tier
from service.domain.turns import Turn

NO_CHANGE: Final = TagChange()
_NO_TAGS: Final[frozenset[str]] = frozenset()


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What is to be done about one customer, and how things stand once it is done.

    `wanted`: the tags that rules give, as they spell them. `next_change`: the first later day (ordinal) on
    which the answer could be another without any event. `standing` is the very object handed in when
    nothing about it changed.
    """

    change: TagChange
    standing: Standing
    wanted: tuple[str, ...]
    next_change: int | None
    reasons: tuple[Reason, ...] = ()
    held_back: tuple[HeldBack, ...] = ()


def decide(
    *, compiled: Compiled, customer: Customer, standing: Standing, today: int, now_ms: int, version: int
) -> Decision:
    """Decide for one customer.

    Never touches an excluded rule's tags, nor a tag that is not ours to touch. `today` is the shop's day
    (ordinal). Deciding again with the record and the standing that this gives changes nothing. The record
    must have had all of `compiled.reads`.
    """
    facts = compiled.facts(customer, today)
    wanted = _quiet(compiled, facts, standing)
    if wanted is not None:
        return Decision(NO_CHANGE, standing, tuple(wanted), _next(compiled, facts, frozenset(), ()))
    turn = Turn(
        compiled=compiled, customer=customer, standing=standing, facts=facts, now_ms=now_ms, version=version
    )
    settle_gone(turn)
    for step in compiled.steps:
        if isinstance(step, CompiledTier):
            settle_tier(turn, step)
        else:
            settle_tag(turn, step)
    turn.put_back()
    return _concluded(turn, customer, standing)


def _concluded(turn: Turn, customer: Customer, standing: Standing) -> Decision:
    gone = turn.removed
    change = TagChange(
        add=tuple(turn.added.values()), remove=tuple(tag for tag in customer.tags if fold(tag) in gone)
    )
    held = turn.all_held()
    same = turn.owned == standing.owned and held == standing.held and not standing.restores
    return Decision(
        change or NO_CHANGE,
        standing if same else Standing(turn.owned, held, standing.excluded),
        (*turn.wanted, *turn.levels),
        _next(turn.compiled, turn.facts, standing.excluded, turn.due),
        tuple(turn.reasons),
        tuple(turn.held_back),
    )


def _next(
    compiled: Compiled, facts: Facts, excluded: frozenset[str], due: list[int] | tuple[()]
) -> int | None:
    """The first day on which a rule's answer or a hold may end by itself."""
    soonest = min(due) if due else None
    for maker, flip in compiled.flips:
        if (on := flip(facts)) is not None and (soonest is None or on < soonest) and maker not in excluded:
            soonest = on
    return soonest


def _quiet(compiled: Compiled, facts: Facts, standing: Standing) -> list[str] | None:
    """The wanted tags when plainly nothing is to be done, as for nearly everybody; else None."""
    tags, live, undone = facts.tags, compiled.live, compiled.take_back
    if standing.excluded or standing.restores or not _sleep(compiled, standing, tags):
        return None
    if not tags.issuperset(standing.owned):
        return None
    for key, own in standing.owned.items():
        if key not in live.get(own.rule, _NO_TAGS):
            return None
        if undone and (own.rule, own.version) in undone:
            return None  # what an undone version gave is taken over, or taken back
    quick = compiled.quick
    keys = [key for matches, key in quick.tests if matches(facts)]
    if len(keys) != len(tags & quick.keys) or not tags.issuperset(keys):
        return None
    for step in quick.keeping:
        if not _quiet_holds(step, standing, given=step.key in tags):
            return None
    wanted = [quick.spelled[key] for key in keys]
    for tier in quick.tiers:
        if not _quiet_tier(tier, facts, standing, wanted):
            return None
    return wanted


def _sleep(compiled: Compiled, standing: Standing, tags: frozenset[str]) -> bool:
    """Are holds of rules that hold nothing now as they should be?"""
    held = standing.held
    if held.keys().isdisjoint(compiled.idle):
        return True
    dormant = (held[one] for one in held.keys() & compiled.idle)
    return all(hold.tag in tags and hold.below is None for hold in dormant)


def _quiet_holds(step: TagStep, standing: Standing, *, given: bool) -> bool:
    """A given tag has one rule whose hold is there already; one that is not given has no hold."""
    if not given:
        return not any(rule.id in standing.held for rule in step.rules)
    hold = standing.held.get(step.rules[0].id)
    return len(step.rules) == 1 and hold is not None and hold.tag == step.key


def _quiet_tier(tier: CompiledTier, facts: Facts, standing: Standing, wanted: list[str]) -> bool:
    """The level earned is the only one there, and its hold (if one is needed) is as it should be."""
    key = None
    for level in tier.levels:
        if level.matches(facts):
            key = level.key
            wanted.append(level.tag)
            break
    if any((other in facts.tags) is not (other == key) for other in tier.keys):
        return False
    hold = standing.held.get(tier.id)
    if not tier.downgrade_days or key is None:
        return hold is None
    return hold is not None and hold.tag == key and hold.below is None
