"""In which order rules are decided: who sets a tag comes before whoever reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from service.domain.customers import fold
from service.domain.rules.conditions import iter_conditions
from service.domain.rules.document import Rule, Tier

RuleOrTier = Rule | Tier


def direct_dependencies(rules: Iterable[RuleOrTier]) -> dict[str, set[str]]:
    """For each rule and tier, the ids of those that must be decided before it."""
    rules = tuple(rules)
    setters: dict[str, set[str]] = {}
    for maker in rules:
        for tag in maker.tags:
            setters.setdefault(fold(tag), set()).add(maker.id)
    return {maker.id: _needs(maker, setters) for maker in rules}


def _needs(maker: RuleOrTier, setters: Mapping[str, set[str]]) -> set[str]:
    """`is_empty` looks at every tag but the rule's own, which it would undo itself by."""
    own = {fold(tag) for tag in maker.tags}
    found: set[str] = set()
    for tree in maker.expressions:
        for condition in iter_conditions(tree):
            if condition.field != "tags":
                continue
            named = condition.value if isinstance(condition.value, tuple) else None
            wanted = setters.keys() - own if named is None else {fold(str(tag)) for tag in named}
            found.update(*(setters.get(key, set()) for key in wanted))
    return found


def find_cycle(rules: Iterable[RuleOrTier]) -> tuple[str, ...]:
    """The ids of one loop, first and last the same; empty when there is none."""
    try:
        TopologicalSorter(direct_dependencies(rules)).prepare()
    except CycleError as exc:
        return tuple(exc.args[1])
    return ()
