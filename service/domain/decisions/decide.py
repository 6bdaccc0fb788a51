"""The decision: which tags of one customer to add and to remove, as a pure function of everything it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
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
    """What to do with the tags of one customer, and the state to store once that is done.

    `state` is the same object that was passed in if nothing about it changed. `next_change`: the first later day
    (ordinal) on which the decision may differ without any event.
    """

    state: CustomerState
    outcomes: tuple[TagOutcome, ...]
    next_change: int | None

    @property
    def changes(self) -> tuple[TagOutcome, ...]:
        """The outcomes of the tags that are added or removed."""
        return tuple([outcome for outcome in self.outcomes if outcome.effect in _CHANGES])

    @property
    def change(self) -> TagChange:
        """The names of the tags that are added and removed."""
        return TagChange(
            add=tuple([outcome.tag for outcome in self.outcomes if outcome.effect == "add"]),
            remove=tuple([outcome.tag for outcome in self.outcomes if outcome.effect == "remove"]),
        )

    @property
    def retained(self) -> tuple[TagOutcome, ...]:
        """The outcomes of the tags that no rule gives and that stay."""
        return tuple([outcome for outcome in self.outcomes if outcome.effect == "retain"])

    @property
    def wanted(self) -> frozenset[str]:
        """The tags that rules and tiers give, among them the level of a tier that waits for its downgrade."""
        causes = ("matched", "downgrade")
        return frozenset([outcome.tag for outcome in self.outcomes if outcome.cause in causes])


def decide(
    *, rules: CompiledRules, customer: Customer, state: CustomerState, today: int, now_ms: int, version: int
) -> Decision:
    """Decide for one customer. It ignores `state.restores`; see `decide_with_restores`.

    Tags of an excluded rule, tags of a rule that reads a missing field, and tags that we may not touch stay as they
    are. Deciding again, with the tags and the state that follow from the decision, changes nothing. `today` is the
    shop's day (ordinal).
    """
    facts = rules.build_facts(customer, today)
    is_undecided = customer.missing and rules.undecided_rules(customer)
    fast = None if is_undecided else fast_path(rules, facts, state)
    if fast is None:
        return decide_by_steps(
            rules=rules, customer=customer, state=state, facts=facts, now_ms=now_ms, version=version
        )
    if not (fast.missing or fast.unwanted or fast.orphans):
        return Decision(state, _present(fast.wanted), _next_change(rules, facts))
    return _apply_fast_path(fast, rules, customer, state, facts=facts, now_ms=now_ms, version=version)


def decide_by_steps(
    *,
    rules: CompiledRules,
    customer: Customer,
    state: CustomerState,
    facts: Facts,
    now_ms: int,
    version: int,
) -> Decision:
    """Decide step by step. Where the fast path has a result, it has the same outcomes."""
    builder = DecisionBuilder(
        rules=rules, customer=customer, state=state, facts=facts, now_ms=now_ms, version=version
    )
    decide_orphans(builder)
    for step in rules.steps:
        if isinstance(step, CompiledTier):
            decide_tier(builder, step)
        else:
            decide_tag(builder, step)
    holds = builder.final_holds()
    is_same = builder.ownership == state.ownership and holds == state.holds
    return Decision(
        state if is_same else replace(state, ownership=builder.ownership, holds=holds),
        tuple(builder.outcomes),
        _next_change_of_steps(builder),
    )


@lru_cache(maxsize=4096)  # most customers have one of a few sets of tags
def _present(wanted: tuple[str, ...]) -> tuple[TagOutcome, ...]:
    """The outcomes of a customer whose tags are right."""
    return tuple([TagOutcome("have", tag, "matched") for tag in wanted])


def _next_change(rules: CompiledRules, facts: Facts) -> int | None:
    next_change = rules.next_change
    return next_change(facts) if next_change is not None else None


def _next_change_of_steps(builder: DecisionBuilder) -> int | None:
    """The first later day on which the result of a rule or a hold may end by itself. Passive rules do not count."""
    days = [
        day
        for rule, next_change in builder.rules.next_change_by_rule
        if rule not in builder.passive and (day := next_change(builder.facts)) is not None
    ]
    days += [outcome.until for outcome in builder.outcomes if outcome.until is not None]
    return min(days, default=None)


def _apply_fast_path(
    fast: FastResult,
    rules: CompiledRules,
    customer: Customer,
    state: CustomerState,
    *,
    facts: Facts,
    now_ms: int,
    version: int,
) -> Decision:
    """Turn a fast result into a decision. Retained and removed tags come first, whatever the order of their steps."""
    facts.tags = facts.tags.difference(fast.lost.intersection(fast.orphans))
    unwanted = [*_unwanted_outcomes(fast, rules, customer, state, facts)]
    missing = frozenset(fast.missing)
    wanted = [
        _addition(key, rules, fast, customer, facts)
        if (key := fold(tag)) in missing
        else TagOutcome("have", tag, "matched")
        for tag in fast.wanted
    ]
    facts.tags = facts.tags.union(missing) - fast.lost
    if fast.lost or missing:
        ownership = {key: own for key, own in state.ownership.items() if key not in fast.lost}
        ownership |= {
            fold(outcome.tag): Ownership(outcome.tag, outcome.rule, now_ms, version)
            for outcome in wanted
            if outcome.effect == "add"
        }
        holds = {
            rule: hold
            for rule, hold in state.holds.items()
            if hold.tag_key not in fast.lost or rule not in rules.rules_without_hold
        }
        if ownership != state.ownership or holds != state.holds:
            state = CustomerState(ownership, holds, state.excluded_rules)
    return Decision(state, (*unwanted, *wanted), _next_change(rules, facts))


def _unwanted_outcomes(
    fast: FastResult, rules: CompiledRules, customer: Customer, state: CustomerState, facts: Facts
) -> Iterator[TagOutcome]:
    """The outcomes of the present tags that no rule gives."""
    spellings = {fold(tag): tag for tag in customer.tags}
    for key in fast.orphans:
        if key in fast.lost:
            yield _removal(key, spellings[key], rules, customer, state, facts)
        else:
            yield TagOutcome("retain", spellings[key], "left", state.ownership[key].rule)
    for key in fast.unwanted:
        if key in fast.lost:
            yield _removal(key, spellings[key], rules, customer, state, facts)
        else:
            yield TagOutcome("retain", spellings[key], "not_ours", _first_rule(rules, key))


def _addition(
    key: str, rules: CompiledRules, fast: FastResult, customer: Customer, facts: Facts
) -> TagOutcome:
    step = rules.step_by_tag[key]
    if isinstance(step, CompiledTier):
        level = step.levels[step.level_by_tag[key]]
        tag, rule, inputs = level.tag, step.id, level.inputs
    else:
        grantor = next((rule for rule in step.rules if rule.id in fast.matched), step.rules[0])
        tag, rule, inputs = step.tag, grantor.id, grantor.inputs
    return TagOutcome("add", tag, "matched", rule, None, evidence(inputs, facts=facts, customer=customer))


def _removal(
    key: str, tag: str, rules: CompiledRules, customer: Customer, state: CustomerState, facts: Facts
) -> TagOutcome:
    own, step = state.ownership.get(key), rules.step_by_tag.get(key)
    rule, inputs = own.rule if own else "", NO_INPUTS
    cause: Cause = "gone"
    undo = UndoRecord(tag, own, {holder: hold for holder, hold in state.holds.items() if hold.tag_key == key})
    if isinstance(step, CompiledTier):
        rule, inputs, cause = rule or step.id, step.inputs, "outranked"
    elif step is not None:
        remover = next(setter for setter in step.rules if (setter.id == own.rule if own else setter.owns_all))
        rule, inputs, cause = remover.id, remover.inputs, "unmatched"
    values = evidence(inputs, facts=facts, customer=customer)
    return TagOutcome("remove", tag, cause, rule, None, values, undo)


def _first_rule(rules: CompiledRules, key: str) -> str:
    step = rules.step_by_tag[key]
    return step.id if isinstance(step, CompiledTier) else step.rules[0].id
