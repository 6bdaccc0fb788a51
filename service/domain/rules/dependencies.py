"""Dependencies between rules: the rules that set a tag must be decided before the rules that read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from service.domain.customers import fold
from service.domain.rules.conditions import iter_conditions
from service.domain.rules.document import Rule, Tier

RuleOrTier = Rule | Tier


def direct_dependencies(rules: Iterable[RuleOrTier]) -> dict[str, set[str]]:
    """Return, by id, the ids of the rules and tiers that must be decided before each rule and tier."""
    rules = tuple(rules)
    setters: dict[str, set[str]] = {}
    for rule in rules:
        for tag in rule.tags:
            setters.setdefault(fold(tag), set()).add(rule.id)
    return {rule.id: _rules_read_by(rule, setters) for rule in rules}


def _rules_read_by(rule: RuleOrTier, setters: Mapping[str, set[str]]) -> set[str]:
    """`is_empty` reads every tag except the rule's own tags: otherwise the rule would undo itself."""
    own = {fold(tag) for tag in rule.tags}
    ids: set[str] = set()
    for expression in rule.expressions:
        for condition in iter_conditions(expression):
            if condition.field != "tags":
                continue
            listed = condition.value if isinstance(condition.value, tuple) else None
            keys = setters.keys() - own if listed is None else {fold(str(tag)) for tag in listed}
            ids.update(*(setters.get(key, set()) for key in keys))
    return ids


def find_cycle(rules: Iterable[RuleOrTier]) -> tuple[str, ...]:
    """Return the ids of one dependency cycle, starting and ending with the same id; empty if there is none."""
    try:
        TopologicalSorter(direct_dependencies(rules)).prepare()
    except CycleError as exc:
        return tuple(exc.args[1])
    return ()
