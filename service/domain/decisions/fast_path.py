"""The fast path of a decision, for customers without a hold that starts or ends and without ownership that moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.domain.decisions.state import CustomerState, Hold, Ownership
from service.domain.engine import CompiledRules, Facts, FastResult, Step, TagStep

_NO_TAGS: Final[frozenset[str]] = frozenset()


def fast_path(
    rules: CompiledRules, facts: Facts, state: CustomerState, *, tags_only: bool = False
) -> FastResult | None:
    """Return what the rules do to the tags of a customer, if no hold starts or ends and no ownership moves.

    None means that the whole decision must be made. With `tags_only`, holds may start and end as long as the tags do
    not depend on it. The record must have all fields that live rules read: `CompiledRules.undecided_rules` is empty.
    """
    if state.excluded_rules or state.restores:
        return None
    owned = state.ownership
    orphans = _orphans(rules, facts.tags, owned)
    if orphans is None or not (tags_only or _holds_are_current(rules, facts.tags, state.holds)):
        return None
    lost = [key for key in orphans if rules.orphan_policies.get(owned[key].rule) == "remove"]
    if lost:  # the whole decision removes orphans first, so that no rule sees them
        tags = facts.tags
        facts.tags = tags.difference(lost)
        result = rules.fast_path(facts)
        facts.tags = tags
    else:
        result = rules.fast_path(facts)
    if result is None or (_hold_was_renamed(rules, state, result) if tags_only else result.starts_hold):
        return None
    if not (orphans or result.unwanted):
        return result
    steps = rules.step_by_tag
    lost += [key for key in result.unwanted if key in owned or steps[key].owns_all]
    return FastResult(*result[:5], tuple(orphans), frozenset(lost))


def _orphans(rules: CompiledRules, tags: frozenset[str], owned: Mapping[str, Ownership]) -> list[str] | None:
    """Return the owned tags that no live rule sets. None if any ownership ends or moves."""
    tags_by_rule, revoked = rules.tags_by_rule, rules.revoked_grants
    orphans: list[str] = []
    for key, own in owned.items():
        if key not in tags or (revoked and (own.rule, own.version) in revoked):
            return None
        if key not in tags_by_rule.get(own.rule, _NO_TAGS):
            if key in rules.managed_tags:
                return None
            orphans.append(key)
    return orphans


def _hold_was_renamed(rules: CompiledRules, state: CustomerState, result: FastResult) -> bool:
    """Whether a hold under the former name of a rule may hold a tag that no rule gives."""
    if not state.holds:
        return False
    return any(
        hold.tag_key != step.key and step.tag not in result.wanted
        for step in rules.holding_steps
        if isinstance(step, TagStep)
        for rule in step.rules
        if (hold := state.holds.get(rule.id)) is not None
    )


def _holds_are_current(rules: CompiledRules, tags: frozenset[str], holds: Mapping[str, Hold]) -> bool:
    """Whether a decision would store the holds unchanged, provided that it changes no tag.

    A hold whose rule no longer has `keep` stays with its tag, because the rule may have it again in a later version.
    """
    if not (holds or rules.holding_steps):
        return True
    inactive = (holds[rule] for rule in holds.keys() & rules.rules_without_hold)
    return all(hold.tag_key in tags and hold.below_since is None for hold in inactive) and all(
        _hold_is_current(step, tags, holds) for step in rules.holding_steps
    )


def _hold_is_current(step: Step, tags: frozenset[str], holds: Mapping[str, Hold]) -> bool:
    if isinstance(step, TagStep):
        if step.key not in tags:
            return not any(rule.id in holds for rule in step.rules)
        hold = holds.get(step.rules[0].id)
        return len(step.rules) == 1 and hold is not None and hold.tag_key == step.key
    hold, key = holds.get(step.id), next((key for key in step.level_by_tag if key in tags), None)
    if hold is None or key is None:
        return hold is None and key is None
    return hold.tag_key == key and hold.below_since is None
