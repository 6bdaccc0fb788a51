"""Roll-backs: which removed tags a roll-back restores, and how to decide as if they had never been removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from service.domain.customers import Customer, ExternalChanges, changed_since, fold
from service.domain.decisions.decide import Decision, decide
from service.domain.decisions.outcome import TagOutcome
from service.domain.decisions.state import CustomerState, Hold, Ownership, UndoRecord, WriteIntent
from service.domain.engine import NO_INPUTS, CompiledRules, Facts, RuleInputs, TagStep, evidence

RestoresByCustomer = Mapping[int, Mapping[str, UndoRecord]]  # customer -> folded tag -> undo record


def decide_with_restores(
    *, rules: CompiledRules, customer: Customer, state: CustomerState, today: int, now_ms: int, version: int
) -> Decision:
    """Decide as if the tags in `state.restores` had never been removed.

    Assume them present, with the ownership and holds recorded when they were removed, decide, and turn the result
    into a difference to the real record. The resulting state has no restores: they are settled.
    """
    assumption = assume_restored(rules, customer, state)
    decision = decide(
        rules=rules,
        customer=assumption.customer,
        state=assumption.state,
        today=today,
        now_ms=now_ms,
        version=version,
    )
    if not state.restores:
        return decision
    ownership = _owned_by_live_rules(
        rules, decision.state, state, assumption.restores, now_ms=now_ms, version=version
    )
    facts = rules.build_facts(assumption.customer, today)
    facts.tags = facts.tags.union(map(fold, decision.change.add)).difference(
        map(fold, decision.change.remove)
    )
    outcomes = _against_record(rules, decision, assumption, ownership, facts=facts)
    return Decision(
        CustomerState(ownership, decision.state.holds, state.excluded_rules), outcomes, decision.next_change
    )


class Assumption(NamedTuple):
    """A customer as if the removed tags had stayed."""

    customer: Customer
    state: CustomerState
    restores: Mapping[str, UndoRecord]  # those that apply, by folded tag
    absent: frozenset[str]  # the folded tags of `restores` that the real record lacks


def assume_restored(rules: CompiledRules, customer: Customer, state: CustomerState) -> Assumption:
    """Assume that the tags to restore are present, in the state in which they were removed."""
    if not state.restores:
        return Assumption(customer, state, {}, frozenset())
    present = frozenset(map(fold, customer.tags))
    restores = {key: undo for key, undo in state.restores.items() if _applies(rules, state, key, present)}
    ownership = {key: own for key, own in state.ownership.items() if key not in restores}
    holds = dict(state.holds)
    for key, undo in restores.items():
        holds |= undo.holds
        if undo.ownership is not None:
            ownership[key] = undo.ownership
    absent = {key: undo.tag for key, undo in restores.items() if key not in present}
    assumed = msgspec.structs.replace(customer, tags=(*customer.tags, *absent.values()))
    return Assumption(
        assumed, CustomerState(ownership, holds, state.excluded_rules), restores, frozenset(absent)
    )


def responsible_rule(rules: CompiledRules, holds: Mapping[str, Hold], key: str, own: Ownership) -> str:
    """The id of the rule that owns a restored tag.

    The previous owner if that rule still sets the tag, else a live rule with a hold on it, else the previous owner,
    although it is gone.
    """
    tags_by_rule = rules.tags_by_rule
    if key in tags_by_rule.get(own.rule, ()):
        return own.rule
    for rule, hold in holds.items():
        if hold.tag_key == key and key in tags_by_rule.get(rule, ()):
            return rule
    return own.rule


def inputs_of_rule(rules: CompiledRules, key: str, rule: str) -> RuleInputs:
    """What the live rule that sets this folded tag reads, or the live tier. NO_INPUTS if there is none of this id."""
    for step in rules.steps:
        if isinstance(step, TagStep):
            if step.key == key:
                return next((setter.inputs for setter in step.rules if setter.id == rule), NO_INPUTS)
        elif step.id == rule:
            return step.inputs
    return NO_INPUTS


def late_restores(
    state: CustomerState, recovered: Iterable[WriteIntent], *, rolled_back: frozenset[int]
) -> Mapping[str, UndoRecord]:
    """The restores of a customer, and the removals by rolled-back versions among the recovered writes.

    `state`: without these writes. If we have owned a tag since a moment after the removal, a person removed it later,
    so it is not restored.
    """
    late = {
        fold(intent.tag): intent.undo
        for intent in recovered
        if intent.is_removal
        and intent.version in rolled_back
        and intent.undo is not None
        and state.ownership[fold(intent.tag)].since_ms < intent.at_ms
    }
    return {**late, **state.restores} if late else state.restores


def merge_restores(
    waiting: Mapping[str, UndoRecord], new: Mapping[str, UndoRecord], *, undone: frozenset[int]
) -> dict[str, UndoRecord]:
    """The new restores of a customer, and the waiting ones of earlier roll-backs that are not undone themselves.

    A waiting restore of the same tag wins.
    """
    return {**new, **{key: undo for key, undo in waiting.items() if undo.restored_by not in undone}}


class LedgerChange(NamedTuple):
    """One tag that we added or removed, as the ledger has it. `undo` is set for a removal."""

    customer: int
    tag: str
    version: int
    at_ms: int
    cause: str
    undo: UndoRecord | None = None
    is_retraction: bool = False  # a person took back what we had added


class RollbackCollector:
    """Collects what a roll-back must restore. Feed it ledger changes since the first undone version, oldest first.

    For each tag only the first change by an undone version counts: a removal is restored to the state recorded with
    it, an addition is not. Tags that a person changed or retracted since stay as they are, and nothing is restored
    twice by the same roll-back. `by`: the version that the roll-back publishes.
    """

    def __init__(self, *, undone: frozenset[int], by: int) -> None:
        self._undone = undone
        self._by = by
        self._first: dict[tuple[int, str], LedgerChange | None] = {}

    def add(self, change: LedgerChange) -> None:
        """Add the next change."""
        key = change.customer, fold(change.tag)
        is_restored = change.version == self._by and change.cause == "restored"
        if key in self._first and (is_restored or change.is_retraction):
            self._first[key] = None
        elif change.version in self._undone:
            counts = change.undo is not None and not change.is_retraction
            self._first.setdefault(key, change if counts else None)

    def customers(self) -> list[int]:
        """The customers with tags to restore, before external changes are considered."""
        return [*dict.fromkeys(change.customer for change in self._removals())]

    def skip_collected(self) -> None:
        """Leave out the removals so far, which an earlier collection of the same roll-back has."""
        self._first = dict.fromkeys(self._first)

    def restores(self, external: Mapping[int, ExternalChanges]) -> dict[int, dict[str, UndoRecord]]:
        """What to restore, by customer and folded tag. `external`: what people did to the tags of these customers."""
        restores: dict[int, dict[str, UndoRecord]] = {}
        for change in self._removals():
            is_changed = changed_since(external.get(change.customer, {}), change.tag, after_ms=change.at_ms)
            if change.undo is not None and not is_changed:
                undo = msgspec.structs.replace(change.undo, restored_by=self._by)
                restores.setdefault(change.customer, {})[fold(change.tag)] = undo
        return restores

    def _removals(self) -> Iterable[LedgerChange]:
        return (change for change in self._first.values() if change is not None)


def _applies(rules: CompiledRules, state: CustomerState, key: str, present: frozenset[str]) -> bool:
    """Whether the undo record of a tag applies.

    It does not if a person added or removed the tag since, if the customer is excluded from its rule, or if the
    roll-back that restores it was undone.
    """
    undo = state.restores[key]
    if undo.restored_by in rules.rolled_back or (
        undo.ownership is not None and undo.ownership.rule in state.excluded_rules
    ):
        return False
    return (key in present) is (key in state.ownership)


def _owned_by_live_rules(
    rules: CompiledRules,
    decided: CustomerState,
    before: CustomerState,
    restores: Mapping[str, UndoRecord],
    *,
    now_ms: int,
    version: int,
) -> Mapping[str, Ownership]:
    """The ownership after the decision, with each restored tag owned by the rule that is responsible for it now.

    A tag that the record has stays as old as it was. A tag that is added again is owned from now on.
    """
    ownership = dict(decided.ownership)
    holds = {rule: hold for rule, hold in decided.holds.items() if rule not in rules.rules_without_hold}
    for key in restores.keys() & ownership.keys():
        own, earlier = ownership[key], before.ownership.get(key)
        rule = responsible_rule(rules, holds, key, own)
        ownership[key] = Ownership(
            tag=own.tag,
            rule=rule,
            since_ms=now_ms if earlier is None else earlier.since_ms,
            version=version if rule in rules.tags_by_rule else own.version,
            adopted=earlier is not None and earlier.adopted,
        )
    return ownership


def _against_record(
    rules: CompiledRules,
    decision: Decision,
    assumption: Assumption,
    ownership: Mapping[str, Ownership],
    *,
    facts: Facts,
) -> tuple[TagOutcome, ...]:
    """The outcomes for the real record: an absent tag is not removed, and it is added if the decision keeps it.

    `facts`: with the tags as decided.
    """
    absent = assumption.absent
    outcomes = [
        outcome
        for outcome in decision.outcomes
        if outcome.effect != "remove" or fold(outcome.tag) not in absent
    ]
    for key, undo in assumption.restores.items():
        if key in absent and key in facts.tags:
            rule = ownership[key].rule if key in ownership else ""
            inputs = inputs_of_rule(rules, key, rule)
            values = evidence(inputs, facts=facts, customer=assumption.customer)
            outcomes.append(TagOutcome("add", undo.tag, "restored", rule, None, values))
    return tuple(outcomes)
