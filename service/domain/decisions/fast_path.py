"""The fast path of a decision: for nearly everybody no hold starts or ends, and no ownership moves."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Final

from service.domain.decisions.state import CustomerState, Hold, Ownership
from service.domain.engine import CompiledRules, Facts, FastResult, Step, TagStep

_NO_TAGS: Final[frozenset[str]] = frozenset()


def fast_path(
    compiled: CompiledRules, facts: Facts, standing: CustomerState, *, tags_only: bool = False
) -> FastResult | None:
    """Return what the rules do to a customer, if no hold starts or ends and no ownership moves; else None.

    None means nothing but that the whole decision must be made. `tags_only`: holds may start and end, as long as
    the tags do not depend on it.
    """
    if standing.excluded_rules or standing.restores:
        return None
    owned = standing.ownership
    orphans = _orphans(compiled, facts.tags, owned)
    if orphans is None or not (tags_only or _holds_are_current(compiled, facts.tags, standing.holds)):
        return None
    lost = [key for key in orphans if compiled.orphan_policies.get(owned[key].rule) == "remove"]
    if lost:  # they go first: no rule sees them
        facts = copy(facts)
        facts.tags = facts.tags.difference(lost)
    result = compiled.fast_path(facts)
    if result is None or (_follows_name(compiled, standing, result) if tags_only else result.starts_hold):
        return None
    if not (orphans or result.unwanted):
        return result
    steps = compiled.step_by_tag
    lost += [key for key in result.unwanted if key in owned or steps[key].owns_all]
    return FastResult(*result[:5], tuple(orphans), frozenset(lost))


def _orphans(
    compiled: CompiledRules, tags: frozenset[str], owned: Mapping[str, Ownership]
) -> list[str] | None:
    """Return the tags that no live rule sets any more; None if any ownership ends or moves."""
    live, revoked = compiled.tags_by_rule, compiled.revoked_grants
    orphans: list[str] = []
    for key, own in owned.items():
        if key not in tags or (revoked and (own.rule, own.version) in revoked):
            return None
        if key not in live.get(own.rule, _NO_TAGS):
            if key in compiled.managed_tags:
                return None
            orphans.append(key)
    return orphans


def _follows_name(compiled: CompiledRules, standing: CustomerState, result: FastResult) -> bool:
    """Whether a tag may be held that no rule gives: a hold under its rule's former name."""
    if not standing.holds:
        return False
    return any(
        hold.tag_key != step.key and step.tag not in result.wanted
        for step in compiled.holding_steps
        if isinstance(step, TagStep)
        for rule in step.rules
        if (hold := standing.holds.get(rule.id)) is not None
    )


def _holds_are_current(compiled: CompiledRules, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    """Whether the holds are as they should be where the tags are.

    A hold whose rule no longer holds anything stays with its tag: the rule may hold again one day.
    """
    if not (held or compiled.holding_steps):
        return True
    inactive = (held[rule] for rule in held.keys() & compiled.rules_without_hold)
    return all(hold.tag_key in tags and hold.below_since is None for hold in inactive) and all(
        _hold_is_current(step, tags, held) for step in compiled.holding_steps
    )


def _hold_is_current(step: Step, tags: frozenset[str], held: Mapping[str, Hold]) -> bool:
    if isinstance(step, TagStep):
        if step.key not in tags:
            return not any(rule.id in held for rule in step.rules)
        hold = held.get(step.rules[0].id)
        return len(step.rules) == 1 and hold is not None and hold.tag_key == step.key
    hold, key = held.get(step.id), next((key for key in step.level_by_tag if key in tags), None)
    if hold is None or key is None:
        return hold is None and key is None
    return hold.tag_key == key and hold.below_since is None
