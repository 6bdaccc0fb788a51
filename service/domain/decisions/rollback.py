"""Roll-backs: which removals a roll-back restores, and deciding as if these tags had never been removed."""

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
    """Decide as if the tags in `standing.restores` had never been removed.

    Assume that they are there, with the ownership and the holds recorded when they were removed; decide; then turn
    the result into a difference to the real record. The state that results has no restores: they are settled.
    """
    assumption = assume_restored(rules, customer, state)
    decision = decide(
        rules=rules,
        customer=assumption.customer,
        state=assumption.standing,
        today=today,
        now_ms=now_ms,
        version=version,
    )
    if not state.restores:
        return decision
    owned = _owned_by_live_rules(
        rules, decision.state, state, assumption.restores, now_ms=now_ms, version=version
    )
    facts = rules.build_facts(assumption.customer, today)
    facts.tags = facts.tags.union(map(fold, decision.change.add)).difference(
        map(fold, decision.change.remove)
    )
    outcomes = _against_record(rules, decision, assumption, owned, facts=facts)
    return Decision(
        CustomerState(owned, decision.state.holds, state.excluded_rules), outcomes, decision.next_change
    )


class Assumption(NamedTuple):
    """A customer as if removed tags had stayed. `restores`: the undo records that apply; `absent`: folded tags."""

    customer: Customer
    standing: CustomerState
    restores: Mapping[str, UndoRecord]
    absent: frozenset[str]


def assume_restored(compiled: CompiledRules, customer: Customer, standing: CustomerState) -> Assumption:
    """Assume that the tags to be restored are there, as they were when they were removed."""
    if not standing.restores:
        return Assumption(customer, standing, {}, frozenset())
    present = frozenset(map(fold, customer.tags))
    restores = {
        key: undo for key, undo in standing.restores.items() if _applies(compiled, standing, key, present)
    }
    owned = {key: own for key, own in standing.ownership.items() if key not in restores}
    held = dict(standing.holds)
    for key, undo in restores.items():
        held |= undo.holds
        if undo.ownership is not None:
            owned[key] = undo.ownership
    absent = {key: undo.tag for key, undo in restores.items() if key not in present}
    assumed = msgspec.structs.replace(customer, tags=(*customer.tags, *absent.values()))
    return Assumption(
        assumed, CustomerState(owned, held, standing.excluded_rules), restores, frozenset(absent)
    )


def responsible_rule(compiled: CompiledRules, held: Mapping[str, Hold], key: str, own: Ownership) -> str:
    """The id of the rule that owns a restored tag.

    Its previous owner if that rule still sets the tag, else a live rule with a hold on it, else the previous owner,
    although it is gone.
    """
    live = compiled.tags_by_rule
    if key in live.get(own.rule, ()):
        return own.rule
    holders = (rule for rule, hold in held.items() if hold.tag_key == key and key in live.get(rule, ()))
    return next(holders, own.rule)


def inputs_of_rule(compiled: CompiledRules, key: str, rule: str) -> RuleInputs:
    """What a rule or tier reads that sets this (folded) tag; nothing if it does not set it."""
    for step in compiled.steps:
        if isinstance(step, TagStep):
            if step.key == key:
                return next((setter.inputs for setter in step.rules if setter.id == rule), NO_INPUTS)
        elif step.id == rule:
            return step.inputs
    return NO_INPUTS


def late_restores(
    standing: CustomerState, recovered: Iterable[WriteIntent], *, rolled_back: frozenset[int]
) -> Mapping[str, UndoRecord]:
    """The customer's restores, and the removals by rolled-back versions whose answer was lost until now.

    `standing`: as it was before these writes were known. A tag that we own since a later moment than the removal
    was removed by a person after that: it is not restored.
    """
    late = {
        fold(intent.tag): intent.undo
        for intent in recovered
        if intent.is_removal
        and intent.version in rolled_back
        and intent.undo is not None
        and standing.ownership[fold(intent.tag)].since_ms < intent.at_ms
    }
    return {**late, **standing.restores} if late else standing.restores


def merge_restores(
    waiting: Mapping[str, UndoRecord], new: Mapping[str, UndoRecord], *, undone: frozenset[int]
) -> dict[str, UndoRecord]:
    """A customer's restores: the new ones, and those of earlier roll-backs unless these are undone themselves."""
    return {**new, **{key: undo for key, undo in waiting.items() if undo.restored_by not in undone}}


class LedgerChange(NamedTuple):
    """One tag that we added, or that we removed when it stood as `undo` says."""

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
    it, an addition is not. Tags that a person changed or retracted since are left alone, and nothing is restored
    twice by the same roll-back.
    """

    def __init__(self, *, undone: frozenset[int], by: int) -> None:
        self._undone = undone
        self._by = by
        self._first: dict[tuple[int, str], LedgerChange | None] = {}

    def add(self, change: LedgerChange) -> None:
        """Take the next change in."""
        key = change.customer, fold(change.tag)
        is_restored = change.version == self._by and change.cause == "restored"
        if key in self._first and (is_restored or change.is_retraction):
            self._first[key] = None
        elif change.version in self._undone:
            counts = change.undo is not None and not change.is_retraction
            self._first.setdefault(key, change if counts else None)

    def customers(self) -> list[int]:
        """The customers whose tags may have to be restored."""
        return [*dict.fromkeys(change.customer for change in self._removals())]

    def restores(
        self, touches: Mapping[int, ExternalChanges], *, after_ms: int = 0
    ) -> dict[int, dict[str, UndoRecord]]:
        """The removals since a moment that are to be restored, given what people did to these customers' tags."""
        restores: dict[int, dict[str, UndoRecord]] = {}
        for change in self._removals():
            touched = changed_since(touches.get(change.customer, {}), change.tag, after_ms=change.at_ms)
            if change.undo is not None and not touched and change.at_ms >= after_ms:
                undo = msgspec.structs.replace(change.undo, restored_by=self._by)
                restores.setdefault(change.customer, {})[fold(change.tag)] = undo
        return restores

    def _removals(self) -> Iterable[LedgerChange]:
        return (change for change in self._first.values() if change is not None)


def _applies(compiled: CompiledRules, standing: CustomerState, key: str, present: frozenset[str]) -> bool:
    """Whether an undo record applies: not if a person added or removed the tag meanwhile, or excluded the customer."""
    undo = standing.restores[key]
    if undo.restored_by in compiled.rolled_back or (
        undo.ownership is not None and undo.ownership.rule in standing.excluded_rules
    ):
        return False
    return (key in present) is (key in standing.ownership)


def _owned_by_live_rules(
    compiled: CompiledRules,
    decided: CustomerState,
    standing: CustomerState,
    restores: Mapping[str, UndoRecord],
    *,
    now_ms: int,
    version: int,
) -> Mapping[str, Ownership]:
    """The ownership after the decision, with each restored tag owned by the rule that is responsible for it now.

    A tag that is in the record keeps the moment of its adding; one that is added again is owned from now on.
    """
    owned = dict(decided.ownership)
    held = {rule: hold for rule, hold in decided.holds.items() if rule not in compiled.rules_without_hold}
    for key in restores.keys() & owned.keys():
        own, before = owned[key], standing.ownership.get(key)
        rule = responsible_rule(compiled, held, key, own)
        owned[key] = Ownership(
            own.tag,
            rule,
            now_ms if before is None else before.since_ms,
            version if rule in compiled.tags_by_rule else own.version,
            before is not None and before.adopted,
        )
    return owned


def _against_record(
    compiled: CompiledRules,
    decision: Decision,
    assumption: Assumption,
    owned: Mapping[str, Ownership],
    *,
    facts: Facts,
) -> tuple[TagOutcome, ...]:
    """The outcomes for the real record: an absent tag is not removed, and it is added if the decision leaves it.

    `facts`: with the tags as decided.
    """
    absent = assumption.absent
    outcomes = [one for one in decision.outcomes if one.effect != "remove" or fold(one.tag) not in absent]
    for key, undo in assumption.restores.items():
        if key in absent and key in facts.tags:
            rule = owned[key].rule if key in owned else ""
            inputs = inputs_of_rule(compiled, key, rule)
            seen = evidence(inputs, facts=facts, customer=assumption.customer)
            outcomes.append(TagOutcome("add", undo.tag, "restored", rule, None, seen))
    return tuple(outcomes)
