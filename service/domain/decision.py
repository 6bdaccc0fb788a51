"""The decision: what one customer's tags should become, as a pure function of all that it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from service.domain.customers import Customer
from service.domain.evaluation import Compiled, CompiledTier, TagStep
from service.domain.facts import Facts
from service.domain.reasons import HeldBack, Reason
from service.domain.standing import Hold, Owned, Standing
from service.domain.tag_steps import settle_gone, settle_tag
from service.domain.tags import TagChange, fold
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
        flip = compiled.flip
        return Decision(NO_CHANGE, standing, wanted, flip(facts) if flip is not None else None)
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
        _next(turn),
        tuple(turn.reasons),
        tuple(turn.held_back),
    )


def _next(turn: Turn) -> int | None:
    """The first day on which a rule's answer or a hold may end by itself."""
    days = [
        on
        for maker, flip in turn.compiled.flips
        if maker not in turn.excluded and (on := flip(turn.facts)) is not None
    ]
    return min((*days, *turn.due), default=None)


def _quiet(compiled: Compiled, facts: Facts, standing: Standing) -> tuple[str, ...] | None:
    """The wanted tags when plainly nothing is to be done, as for nearly everybody; else None."""
    if standing.excluded or standing.restores or not _ours(compiled, facts.tags, standing.owned):
        return None
    wanted = compiled.quick(facts)
    if wanted is None or not _quiet_holds(compiled, facts.tags, standing.held):
        return None
    return wanted


def _ours(compiled: Compiled, tags: frozenset[str], owned: Mapping[str, Owned]) -> bool:
    """Is everything that is ours there, and answered for by who sets it?"""
    live, undone = compiled.live, compiled.take_back
    for key, own in owned.items():
        if key not in tags or key not in live.get(own.rule, _NO_TAGS):
            return False
        if undone and (own.rule, own.version) in undone:
            return False  # what an undone version gave is taken over, or taken back
    return True


def _quiet_holds(compiled: Compiled, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    """Are the holds as they should be, where the tags are?"""
    if not (held or compiled.keeping or compiled.tiers):
        return True
    dormant = (held[one] for one in held.keys() & compiled.idle)
    return (
        all(hold.tag in tags and hold.below is None for hold in dormant)
        and all(_quiet_step(step, held, given=step.key in tags) for step in compiled.keeping)
        and all(_quiet_tier(tier, tags, held) for tier in compiled.tiers)
    )


def _quiet_step(step: TagStep, held: Mapping[str, Hold], *, given: bool) -> bool:
    """A given tag has one rule whose hold is there already; one that is not given has no hold."""
    if not given:
        return not any(rule.id in held for rule in step.rules)
    hold = held.get(step.rules[0].id)
    return len(step.rules) == 1 and hold is not None and hold.tag == step.key


def _quiet_tier(tier: CompiledTier, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    """The hold of the level that is there (if one is needed) is as it should be."""
    hold, key = held.get(tier.id), next((key for key in tier.keys if key in tags), None)
    if not tier.downgrade_days or key is None:
        return hold is None
    return hold is not None and hold.tag == key and hold.below is None
