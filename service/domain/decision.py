"""The decision: what one customer's tags should become, as a pure function of all that it depends on."""

from __future__ import annotations

from typing import Final

import msgspec

from service.domain.customers import Customer
from service.domain.decisions.fast_path import fast_path
from service.domain.evaluation import Compiled, CompiledTier, FastResult
from service.domain.facts import Facts, fold
from service.domain.reasons import NO_INPUTS, HeldBack, Reason, Why, values_of
from service.domain.standing import Owned, Standing, Stood
from service.domain.tag_steps import settle_gone, settle_tag
from service.domain.tags import TagChange
from service.domain.tier_steps import settle_tier
from service.domain.turns import Turn

NO_CHANGE: Final = TagChange()


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
    fast = fast_path(compiled, facts, standing)
    if fast is None:
        return _decided(compiled, customer, standing, facts, now_ms=now_ms, version=version)
    if not (fast.missing or fast.unwanted or fast.orphans):
        flip = compiled.flip
        return Decision(NO_CHANGE, standing, fast.wanted, flip(facts) if flip is not None else None)
    return _plain(fast, compiled, customer, standing, facts, now_ms=now_ms, version=version)


def _plain(
    fast: FastResult,
    compiled: Compiled,
    customer: Customer,
    standing: Standing,
    facts: Facts,
    *,
    now_ms: int,
    version: int,
) -> Decision:
    """The decision that the fast path has made."""
    spelled = {fold(tag): tag for tag in customer.tags}
    facts.tags = facts.tags.difference(fast.lost.intersection(fast.orphans))
    removed = [
        _removal(key, spelled[key], compiled, customer, standing, facts)
        for key in (*fast.orphans, *fast.unwanted)
        if key in fast.lost
    ]
    added = [_addition(key, fast, compiled, customer, facts) for key in fast.missing]
    left = [
        HeldBack(spelled[key], standing.owned[key].rule, "left")
        for key in fast.orphans
        if key not in fast.lost
    ]
    foreign = [
        HeldBack(spelled[key], _first_rule(compiled, key), "not_ours")
        for key in fast.unwanted
        if key not in fast.lost
    ]
    facts.tags = facts.tags.union(fast.missing) - fast.lost
    if removed or added:
        owned = {key: own for key, own in standing.owned.items() if key not in fast.lost}
        owned |= {fold(one.tag): Owned(one.tag, one.rule, now_ms, version) for one in added}
        held = {
            rule: hold
            for rule, hold in standing.held.items()
            if hold.tag not in fast.lost or rule not in compiled.idle
        }
        if owned != standing.owned or held != standing.held:
            standing = Standing(owned, held, standing.excluded)
    flip = compiled.flip
    change = TagChange(
        add=tuple(one.tag for one in added),
        remove=tuple(tag for tag in customer.tags if fold(tag) in fast.lost),
    )
    return Decision(
        change or NO_CHANGE,
        standing,
        fast.wanted,
        flip(facts) if flip is not None else None,
        (*removed, *added),
        (*left, *foreign),
    )


def _addition(key: str, fast: FastResult, compiled: Compiled, customer: Customer, facts: Facts) -> Reason:
    step = compiled.step_by_tag[key]
    if isinstance(step, CompiledTier):
        level = step.levels[step.keys[key]]
        tag, rule, inputs = level.tag, step.id, level.inputs
    else:
        giver = next((one for one in step.rules if one.id in fast.matched), step.rules[0])
        tag, rule, inputs = step.tag, giver.id, giver.inputs
    return Reason(tag, True, rule, "matched", values_of(inputs, facts=facts, customer=customer))


def _removal(
    key: str, tag: str, compiled: Compiled, customer: Customer, standing: Standing, facts: Facts
) -> Reason:
    own, step = standing.owned.get(key), compiled.step_by_tag.get(key)
    rule, inputs = own.rule if own else "", NO_INPUTS
    why: Why = "gone"
    stood = Stood(tag, own, {rule: hold for rule, hold in standing.held.items() if hold.tag == key})
    if isinstance(step, CompiledTier):
        rule, inputs, why = rule or step.id, step.inputs, "outranked"
    elif step is not None:
        remover = next(one for one in step.rules if (one.id == own.rule if own else one.owns_all))
        rule, inputs, why = remover.id, remover.inputs, "unmatched"
    return Reason(tag, False, rule, why, values_of(inputs, facts=facts, customer=customer), stood)


def _first_rule(compiled: Compiled, key: str) -> str:
    step = compiled.step_by_tag[key]
    return step.id if isinstance(step, CompiledTier) else step.rules[0].id


def _decided(
    compiled: Compiled, customer: Customer, standing: Standing, facts: Facts, *, now_ms: int, version: int
) -> Decision:
    """The whole decision, step by step."""
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
