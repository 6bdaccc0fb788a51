"""Making a rule set ready: its conditions as trees, and one step for each tag and tier, in order."""

from __future__ import annotations

import unicodedata
from functools import partial
from graphlib import TopologicalSorter

from service.domain.customers import fold
from service.domain.engine.compiled import (
    CompiledLevel,
    CompiledRule,
    CompiledRules,
    CompiledTier,
    Step,
    TagStep,
)
from service.domain.engine.evidence import collect_inputs
from service.domain.engine.facts import build_facts
from service.domain.engine.predicates import compile_expression
from service.domain.rules import (
    FIELDS,
    NO_INHERITANCE,
    Inheritance,
    Rule,
    RuleSet,
    Tier,
    calendar_for,
    direct_dependencies,
    iter_conditions,
)


def compile_rules(rule_set: RuleSet, *, inheritance: Inheritance = NO_INHERITANCE) -> CompiledRules:
    """Make a rule set ready; `past` is what earlier versions left behind (see ownership.Past)."""
    needs = _all_needs(rule_set)
    currency = rule_set.currency
    rules = tuple(_rule(rule, currency, needs[rule.id]) for rule in rule_set.rules if rule.enabled)
    tiers = tuple(_tier(tier, currency, needs[tier.id]) for tier in rule_set.tiers if tier.enabled)
    live = [maker for maker in rule_set.all if maker.enabled]
    fields = {leaf.field for maker in live for tree in maker.expressions for leaf in iter_conditions(tree)}
    zone = calendar_for(rule_set.timezone)
    steps = _steps(rules, tiers)
    ready: tuple[CompiledRule | CompiledTier, ...] = (*rules, *tiers)
    return CompiledRules(
        rule_set=rule_set,
        calendar=zone,
        rules=rules,
        tiers=tiers,
        steps=steps,
        managed_tags=frozenset(fold(tag) for maker in live for tag in maker.tags),
        tags_by_rule={maker.id: frozenset(map(fold, maker.tags)) for maker in live},
        rules_without_hold=frozenset(one.id for one in ready if not _holds(one)),
        required_keys=frozenset({"tags"}).union(*(FIELDS[field].record_keys for field in fields)),
        orphan_policies={
            **inheritance.orphan_policies,
            **{maker.id: maker.when_gone for maker in rule_set.all},
        },
        revoked_grants=inheritance.revoked_grants,
        rolled_back=inheritance.rolled_back,
        holding_steps=tuple(step for step in steps if _keeps(step)),
        build_facts=partial(
            build_facts,
            calendar=zone,
            texts=any(FIELDS[field].is_personal for field in fields),
            birthdays=not fields.isdisjoint({"birthday", "age"}),
        ),
    )


def tag_spelling(tag: str) -> str:
    """A tag as it is written to the record: as typed, in composed characters."""
    return unicodedata.normalize("NFC", tag).strip()


def _keeps(step: Step) -> bool:
    return step.has_hold if isinstance(step, TagStep) else bool(step.downgrade_days)


def _holds(one: CompiledRule | CompiledTier) -> bool:
    return bool(one.keep_days if isinstance(one, CompiledRule) else one.downgrade_days)


def _rule(rule: Rule, currency: str, needs: frozenset[str]) -> CompiledRule:
    key = fold(rule.tag)
    when = compile_expression(rule.when, currency=currency, own=frozenset({key}))
    return CompiledRule(
        rule,
        rule.id,
        tag_spelling(rule.tag),
        key,
        when,
        rule.keep_days,
        rule.owns == "all",
        collect_inputs(rule.expressions),
        needs,
    )


def _tier(tier: Tier, currency: str, needs: frozenset[str]) -> CompiledTier:
    own = frozenset(map(fold, tier.tags))
    levels = []
    for level in tier.levels:
        when = compile_expression(level.when, currency=currency, own=own)
        levels.append(
            CompiledLevel(tag_spelling(level.tag), fold(level.tag), when, collect_inputs((level.when,)))
        )
    keys = {level.key: at for at, level in enumerate(levels)}
    return CompiledTier(
        tier,
        tier.id,
        tuple(levels),
        keys,
        tier.downgrade_days,
        tier.owns == "all",
        collect_inputs(tier.expressions),
        frozenset({tier.id}),
        needs,
    )


def _all_needs(rule_set: RuleSet) -> dict[str, frozenset[str]]:
    """Near and far: whoever sets what a rule reads, and whoever sets what that one reads."""
    near = direct_dependencies(rule_set.all)
    far: dict[str, frozenset[str]] = {}
    for one in TopologicalSorter(near).static_order():
        far[one] = frozenset(near[one]).union(*(far[other] for other in near[one]))
    return far


def _steps(rules: tuple[CompiledRule, ...], tiers: tuple[CompiledTier, ...]) -> tuple[Step, ...]:
    """One step for each tag and tier, so that a tag is settled before anyone reads it."""
    by_tag: dict[str, list[CompiledRule]] = {}
    for rule in rules:
        by_tag.setdefault(rule.key, []).append(rule)
    steps: list[Step] = [*(_tag_step(tuple(group)) for group in by_tag.values()), *tiers]
    place = {one: at for at, step in enumerate(steps) for one in step.rule_ids}
    graph = {
        at: {place[one] for one in step.depends_on if one in place} - {at} for at, step in enumerate(steps)
    }
    return tuple(steps[at] for at in TopologicalSorter(graph).static_order())


def _tag_step(rules: tuple[CompiledRule, ...]) -> TagStep:
    return TagStep(
        rules[0].tag,
        rules[0].key,
        rules,
        frozenset(rule.id for rule in rules),
        frozenset[str]().union(*(rule.depends_on for rule in rules)),
        any(rule.keep_days for rule in rules),
        any(rule.owns_all for rule in rules),
    )
