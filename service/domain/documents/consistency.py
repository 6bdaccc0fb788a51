"""Consistency of a document: unique ids, one owner for each tier tag, amounts in the document's currency, no cycles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.customers import fold
from service.domain.documents.errors import DocumentPath
from service.domain.rules import (
    AllOf,
    AnyOf,
    Condition,
    Expression,
    InvalidOperand,
    Rule,
    RuleSet,
    Tier,
    children,
    find_cycle,
)


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """An error between parts of a document that are each valid by themselves."""

    path: DocumentPath
    kind: str
    message: str
    part: str = ""


LocatedRules = Sequence[tuple[DocumentPath, Rule | Tier]]  # rules and tiers with their paths in the document


def located_rules(rule_set: RuleSet) -> LocatedRules:
    """Return all rules and tiers of a valid document with their paths."""
    return (
        *((("rules", index), rule) for index, rule in enumerate(rule_set.rules)),
        *((("tiers", index), tier) for index, tier in enumerate(rule_set.tiers)),
    )


def check_consistency(rules: LocatedRules, *, currency: str) -> list[Inconsistency]:
    """Find every inconsistency. If a document is invalid, pass its valid rules and tiers."""
    return [
        *_check_ids(rules),
        *_check_owners(rules),
        *_check_amounts(rules, currency),
        *_check_cycles(rules),
    ]


def _check_ids(rules: LocatedRules) -> Iterator[Inconsistency]:
    ids: set[str] = set()
    for path, rule in rules:
        if rule.id in ids:
            yield Inconsistency(path, "duplicate_id", f"the id '{rule.id}' is used twice", "id")
        ids.add(rule.id)


def _check_owners(rules: LocatedRules) -> Iterator[Inconsistency]:
    """Several rules may set the same tag, but nothing else may set the tag of a tier."""
    owners = {fold(rule.tag): rule.id for _, rule in reversed(rules) if isinstance(rule, Rule)}
    for path, tier in rules:
        if not isinstance(tier, Tier):
            continue
        own: set[str] = set()
        for index, tag in enumerate(tier.tags):
            key, level_path = fold(tag), (*path, "levels", index)
            if key in own:
                yield Inconsistency(level_path, "two_owners", f"the tag '{tag}' is used on two levels", "tag")
            elif key in owners:
                message = f"only this tier may set the tag '{tag}', but '{owners[key]}' sets it too"
                yield Inconsistency(level_path, "two_owners", message, "tag")
            own.add(key)
        owners.update(dict.fromkeys(own - owners.keys(), tier.id))


def _check_amounts(rules: LocatedRules, currency: str) -> Iterator[Inconsistency]:
    """Parse every operand with the document's currency, which a condition by itself does not know."""
    for path, rule in rules:
        for index, expression in enumerate(rule.expressions):
            start = (*path, "when") if isinstance(rule, Rule) else (*path, "levels", index, "when")
            for condition_path, condition in _located_conditions(start, expression):
                try:
                    condition.operand(currency)
                except InvalidOperand as exc:
                    yield Inconsistency(condition_path, "bad_value", str(exc), "value")


def _located_conditions(path: DocumentPath, node: Expression) -> Iterator[tuple[DocumentPath, Condition]]:
    if isinstance(node, Condition):
        yield path, node
        return
    if isinstance(node, AllOf | AnyOf):
        key = "all" if isinstance(node, AllOf) else "any"
        for index, child in enumerate(children(node)):
            yield from _located_conditions((*path, key, index), child)
    else:
        yield from _located_conditions((*path, "not"), children(node)[0])


def _check_cycles(rules: LocatedRules) -> Iterator[Inconsistency]:
    cycle = find_cycle([rule for _, rule in rules])
    if cycle:
        path = next(path for path, rule in rules if rule.id == cycle[0])
        yield Inconsistency(path, "loop", f"rules depend on each other in a loop: {' -> '.join(cycle)}")
