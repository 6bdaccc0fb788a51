"""The decision: what one customer's tags should become, as a pure function of all that it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from service.domain.customers import Customer, TagChange, fold
from service.domain.decisions.builder import DecisionBuilder
from service.domain.decisions.decide_tag import decide_orphans, decide_tag
from service.domain.decisions.decide_tier import decide_tier
from service.domain.decisions.fast_path import fast_path
from service.domain.decisions.outcome import Cause, TagOutcome
from service.domain.decisions.state import CustomerState, Ownership, UndoRecord
from service.domain.engine import NO_INPUTS, CompiledRules, CompiledTier, Facts, FastResult, evidence

_CHANGES: Final = frozenset({"add", "remove"})


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What is to be done about one customer, and the state to store once it is done.

    `standing` is the very object handed in if nothing about it changed. `next_change`: the first later day (ordinal)
    on which the decision could be another without any event.
    """

    state: CustomerState
    outcomes: tuple[TagOutcome, ...]
    next_change: int | None

    @property
    def changes(self) -> tuple[TagOutcome, ...]:
        """The tags that are added and removed."""
        return tuple([outcome for outcome in self.outcomes if outcome.effect in _CHANGES])

    @property
    def change(self) -> TagChange:
        """The names of those tags."""
        return TagChange(
            add=tuple([outcome.tag for outcome in self.outcomes if outcome.effect == "add"]),
            remove=tuple([outcome.tag for outcome in self.outcomes if outcome.effect == "remove"]),
        )

    @property
    def retained(self) -> tuple[TagOutcome, ...]:
        """The tags that no rule gives and that stay all the same."""
        return tuple([outcome for outcome in self.outcomes if outcome.effect == "retain"])

    @property
    def wanted(self) -> frozenset[str]:
        """The tags that rules and tiers give. A level that waits for its downgrade is given, too."""
        given = ("matched", "downgrade")
        return frozenset([outcome.tag for outcome in self.outcomes if outcome.cause in given])


def decide(
    *, rules: CompiledRules, customer: Customer, state: CustomerState, today: int, now_ms: int, version: int
) -> Decision:
    """Decide for one customer. What a roll-back is to restore plays no part, see `rollback.decide_with_restores`.

    Never touches an excluded rule's tags, nor a tag that is not ours to touch. `today` is the shop's day
    (ordinal). Deciding again with the record and the standing that this gives changes nothing. The record
    must have had all of `compiled.reads`.
    """
    facts = rules.build_facts(customer, today)
    fast = fast_path(rules, facts, state)
    if fast is None:
        return decide_by_steps(
            compiled=rules,
            customer=customer,
            standing=state,
            facts=facts,
            now_ms=now_ms,
            version=version,
        )
    if not (fast.missing or fast.unwanted or fast.orphans):
        flip = rules.next_change
        outcomes = tuple([TagOutcome("have", tag, "matched") for tag in fast.wanted])
        return Decision(state, outcomes, flip(facts) if flip is not None else None)
    return _apply_fast_path(fast, rules, customer, state, facts=facts, now_ms=now_ms, version=version)


def decide_by_steps(
    *,
    compiled: CompiledRules,
    customer: Customer,
    standing: CustomerState,
    facts: Facts,
    now_ms: int,
    version: int,
) -> Decision:
    """Decide step by step. It is the whole decision; the fast path gives the same outcomes where it answers."""
    builder = DecisionBuilder(
        compiled=compiled, customer=customer, standing=standing, facts=facts, now_ms=now_ms, version=version
    )
    decide_orphans(builder)
    for step in compiled.steps:
        if isinstance(step, CompiledTier):
            decide_tier(builder, step)
        else:
            decide_tag(builder, step)
    held = builder.final_holds()
    same = builder.ownership == standing.ownership and held == standing.holds
    return Decision(
        standing if same else replace(standing, ownership=builder.ownership, holds=held),
        tuple(builder.outcomes),
        _next_change(builder),
    )


def _next_change(builder: DecisionBuilder) -> int | None:
    """The first day on which a rule's answer or a hold may end by itself."""
    days = [
        day
        for rule, flip in builder.compiled.next_change_by_rule
        if rule not in builder.excluded and (day := flip(builder.facts)) is not None
    ]
    days += [outcome.until for outcome in builder.outcomes if outcome.until is not None]
    return min(days, default=None)


def _apply_fast_path(
    fast: FastResult,
    compiled: CompiledRules,
    customer: Customer,
    standing: CustomerState,
    *,
    facts: Facts,
    now_ms: int,
    version: int,
) -> Decision:
    """The decision that the fast path has made. Removed and retained tags come first, whatever their steps."""
    facts.tags = facts.tags.difference(fast.lost.intersection(fast.orphans))
    unwanted = [*_unwanted_outcomes(fast, compiled, customer, standing, facts)]
    missing = frozenset(fast.missing)
    wanted = [
        _addition(key, compiled, fast, customer, facts)
        if (key := fold(tag)) in missing
        else TagOutcome("have", tag, "matched")
        for tag in fast.wanted
    ]
    facts.tags = facts.tags.union(missing) - fast.lost
    if fast.lost or missing:
        owned = {key: own for key, own in standing.ownership.items() if key not in fast.lost}
        owned |= {
            fold(one.tag): Ownership(one.tag, one.rule, now_ms, version)
            for one in wanted
            if one.effect == "add"
        }
        held = {
            rule: hold
            for rule, hold in standing.holds.items()
            if hold.tag_key not in fast.lost or rule not in compiled.rules_without_hold
        }
        if owned != standing.ownership or held != standing.holds:
            standing = CustomerState(owned, held, standing.excluded_rules)
    flip = compiled.next_change
    return Decision(standing, (*unwanted, *wanted), flip(facts) if flip is not None else None)


def _unwanted_outcomes(
    fast: FastResult, compiled: CompiledRules, customer: Customer, standing: CustomerState, facts: Facts
) -> Iterator[TagOutcome]:
    """What becomes of the tags that are there and that no rule gives."""
    spelled = {fold(tag): tag for tag in customer.tags}
    for key in fast.orphans:
        if key in fast.lost:
            yield _removal(key, spelled[key], compiled, customer, standing, facts)
        else:
            yield TagOutcome("retain", spelled[key], "left", standing.ownership[key].rule)
    for key in fast.unwanted:
        if key in fast.lost:
            yield _removal(key, spelled[key], compiled, customer, standing, facts)
        else:
            yield TagOutcome("retain", spelled[key], "not_ours", _first_rule(compiled, key))


def _addition(
    key: str, compiled: CompiledRules, fast: FastResult, customer: Customer, facts: Facts
) -> TagOutcome:
    step = compiled.step_by_tag[key]
    if isinstance(step, CompiledTier):
        level = step.levels[step.level_by_tag[key]]
        tag, rule, inputs = level.tag, step.id, level.inputs
    else:
        grantor = next((one for one in step.rules if one.id in fast.matched), step.rules[0])
        tag, rule, inputs = step.tag, grantor.id, grantor.inputs
    return TagOutcome("add", tag, "matched", rule, None, evidence(inputs, facts=facts, customer=customer))


def _removal(
    key: str, tag: str, compiled: CompiledRules, customer: Customer, standing: CustomerState, facts: Facts
) -> TagOutcome:
    own, step = standing.ownership.get(key), compiled.step_by_tag.get(key)
    rule, inputs = own.rule if own else "", NO_INPUTS
    cause: Cause = "gone"
    undo = UndoRecord(tag, own, {rule: hold for rule, hold in standing.holds.items() if hold.tag_key == key})
    if isinstance(step, CompiledTier):
        rule, inputs, cause = rule or step.id, step.inputs, "outranked"
    elif step is not None:
        remover = next(one for one in step.rules if (one.id == own.rule if own else one.owns_all))
        rule, inputs, cause = remover.id, remover.inputs, "unmatched"
    seen = evidence(inputs, facts=facts, customer=customer)
    return TagOutcome("remove", tag, cause, rule, None, seen, undo)


def _first_rule(compiled: CompiledRules, key: str) -> str:
    step = compiled.step_by_tag[key]
    return step.id if isinstance(step, CompiledTier) else step.rules[0].id
