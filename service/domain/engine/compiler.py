"""Compiling a rule set: its conditions, and one step for each tag and each tier in the order of decisions."""

from __future__ import annotations

from functools import partial
from graphlib import TopologicalSorter

from service.domain.customers import fold, nfc
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
    RuleOrTier,
    RuleSet,
    Tier,
    calendar_for,
    direct_dependencies,
    iter_conditions,
)


def compile_rules(rule_set: RuleSet, *, inheritance: Inheritance = NO_INHERITANCE) -> CompiledRules:
    """Compile a rule set. `inheritance`: what it takes over from earlier versions."""
    depends_on, currency = _transitive_dependencies(rule_set), rule_set.currency
    rules = tuple(
        _compile_rule(rule, currency, depends_on[rule.id]) for rule in rule_set.rules if rule.enabled
    )
    tiers = tuple(
        _compile_tier(tier, currency, depends_on[tier.id]) for tier in rule_set.tiers if tier.enabled
    )
    live = [rule for rule in rule_set.all if rule.enabled]
    fields = {
        condition.field
        for rule in live
        for expression in rule.expressions
        for condition in iter_conditions(expression)
    }
    calendar = calendar_for(rule_set.timezone)
    steps = _order_steps(rules, tiers)
    return CompiledRules(
        rule_set=rule_set,
        calendar=calendar,
        rules=rules,
        tiers=tiers,
        steps=steps,
        managed_tags=frozenset(fold(tag) for rule in live for tag in rule.tags),
        tags_by_rule={rule.id: frozenset(map(fold, rule.tags)) for rule in live},
        rules_without_hold=frozenset(
            [rule.id for rule in rules if not rule.keep_days]
            + [tier.id for tier in tiers if not tier.downgrade_days]
        ),
        readers=_readers(live),
        orphan_policies={
            **inheritance.orphan_policies,
            **{rule.id: rule.when_gone for rule in rule_set.all},
        },
        revoked_grants=inheritance.revoked_grants,
        rolled_back=inheritance.rolled_back,
        holding_steps=tuple(step for step in steps if step.has_hold),
        build_facts=partial(
            build_facts,
            calendar=calendar,
            texts=any(FIELDS[field].is_personal for field in fields),
            birthdays=not fields.isdisjoint({"birthday", "age"}),
        ),
    )


def tag_spelling(tag: str) -> str:
    """The spelling in which we write a tag to a record: as the author typed it, in composed characters (NFC)."""
    return nfc(tag).strip()


def _readers(rules: list[RuleOrTier]) -> dict[str, frozenset[str]]:
    """For each key of a record, the ids of the rules and tiers that read it. All of them read the tags."""
    readers: dict[str, set[str]] = {"tags": {rule.id for rule in rules}}
    for rule in rules:
        for expression in rule.expressions:
            for condition in iter_conditions(expression):
                for key in FIELDS[condition.field].record_keys:
                    readers.setdefault(key, set()).add(rule.id)
    return {key: frozenset(ids) for key, ids in readers.items()}


def _transitive_dependencies(rule_set: RuleSet) -> dict[str, frozenset[str]]:
    """For each rule and tier, the ids of the rules and tiers whose tags it reads, directly or through others."""
    direct = direct_dependencies(rule_set.all)
    transitive: dict[str, frozenset[str]] = {}
    for rule_id in TopologicalSorter(direct).static_order():
        transitive[rule_id] = frozenset(direct[rule_id]).union(
            *(transitive[other] for other in direct[rule_id])
        )
    return transitive


def _compile_rule(rule: Rule, currency: str, depends_on: frozenset[str]) -> CompiledRule:
    key = fold(rule.tag)
    return CompiledRule(
        rule=rule,
        id=rule.id,
        tag=tag_spelling(rule.tag),
        key=key,
        when=compile_expression(rule.when, currency=currency, own_tags=frozenset({key})),
        keep_days=rule.keep_days,
        owns_all=rule.owns == "all",
        inputs=collect_inputs(rule.expressions),
        depends_on=depends_on,
    )


def _compile_tier(tier: Tier, currency: str, depends_on: frozenset[str]) -> CompiledTier:
    own_tags = frozenset(map(fold, tier.tags))
    levels = tuple(
        CompiledLevel(
            tag=tag_spelling(level.tag),
            key=fold(level.tag),
            when=compile_expression(level.when, currency=currency, own_tags=own_tags),
            inputs=collect_inputs((level.when,)),
        )
        for level in tier.levels
    )
    return CompiledTier(
        tier=tier,
        id=tier.id,
        levels=levels,
        level_by_tag={level.key: index for index, level in enumerate(levels)},
        downgrade_days=tier.downgrade_days,
        owns_all=tier.owns == "all",
        inputs=collect_inputs(tier.expressions),
        rule_ids=frozenset({tier.id}),
        depends_on=depends_on,
    )


def _order_steps(rules: tuple[CompiledRule, ...], tiers: tuple[CompiledTier, ...]) -> tuple[Step, ...]:
    """One step for each tag and each tier, so that a tag is decided before any rule reads it."""
    by_tag: dict[str, list[CompiledRule]] = {}
    for rule in rules:
        by_tag.setdefault(rule.key, []).append(rule)
    steps: list[Step] = [*(_tag_step(tuple(group)) for group in by_tag.values()), *tiers]
    index_by_rule = {rule_id: index for index, step in enumerate(steps) for rule_id in step.rule_ids}
    graph = {
        index: {index_by_rule[rule_id] for rule_id in step.depends_on if rule_id in index_by_rule} - {index}
        for index, step in enumerate(steps)
    }
    return tuple(steps[index] for index in TopologicalSorter(graph).static_order())


def _tag_step(rules: tuple[CompiledRule, ...]) -> TagStep:
    return TagStep(
        tag=rules[0].tag,
        key=rules[0].key,
        rules=rules,
        rule_ids=frozenset(rule.id for rule in rules),
        depends_on=frozenset[str]().union(*(rule.depends_on for rule in rules)),
        has_hold=any(rule.keep_days for rule in rules),
        owns_all=any(rule.owns_all for rule in rules),
    )
