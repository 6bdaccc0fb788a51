"""Making a rule set ready: its conditions as trees, and one step for each tag and tier, in order."""

from __future__ import annotations

import unicodedata
from functools import partial
from graphlib import TopologicalSorter

from service.domain.branches import compile_tree
from service.domain.conditions import comparisons
from service.domain.days import calendar
from service.domain.evaluation import Compiled, CompiledLevel, CompiledRule, CompiledTier, Step, TagStep
from service.domain.facts import build_facts
from service.domain.fields import FIELDS
from service.domain.ordering import dependencies
from service.domain.ownership import NO_PAST, Past
from service.domain.reasons import inputs_of
from service.domain.rules import Rule, RuleSet, TierGroup
from service.domain.tags import fold


def compile_rules(rule_set: RuleSet, *, past: Past = NO_PAST) -> Compiled:
    """Make a rule set ready; `past` is what earlier versions left behind (see ownership.Past)."""
    needs = _all_needs(rule_set)
    currency = rule_set.currency
    rules = tuple(_rule(rule, currency, needs[rule.id]) for rule in rule_set.rules if rule.enabled)
    tiers = tuple(_tier(tier, currency, needs[tier.id]) for tier in rule_set.tiers if tier.enabled)
    live = [maker for maker in rule_set.all if maker.enabled]
    fields = {leaf.field for maker in live for tree in maker.trees for leaf in comparisons(tree)}
    zone = calendar(rule_set.timezone)
    steps = _steps(rules, tiers)
    ready: tuple[CompiledRule | CompiledTier, ...] = (*rules, *tiers)
    return Compiled(
        rule_set=rule_set,
        calendar=zone,
        rules=rules,
        tiers=tiers,
        steps=steps,
        sets=frozenset(fold(tag) for maker in live for tag in maker.tags),
        live={maker.id: frozenset(map(fold, maker.tags)) for maker in live},
        idle=frozenset(one.id for one in ready if not _holds(one)),
        reads=frozenset({"tags"}).union(*(FIELDS[field].keys for field in fields)),
        when_gone={**past.gone, **{maker.id: maker.when_gone for maker in rule_set.all}},
        take_back=past.take_back,
        undone=past.undone,
        keeping=tuple(step for step in steps if _keeps(step)),
        facts=partial(
            build_facts,
            calendar=zone,
            texts=any(FIELDS[field].personal for field in fields),
            birthdays=not fields.isdisjoint({"birthday", "age"}),
        ),
    )


def spelled(tag: str) -> str:
    """A tag as it is written to the record: as typed, in composed characters."""
    return unicodedata.normalize("NFC", tag).strip()


def _keeps(step: Step) -> bool:
    return step.keeps if isinstance(step, TagStep) else bool(step.downgrade_days)


def _holds(one: CompiledRule | CompiledTier) -> bool:
    return bool(one.keep_days if isinstance(one, CompiledRule) else one.downgrade_days)


def _rule(rule: Rule, currency: str, needs: frozenset[str]) -> CompiledRule:
    key = fold(rule.tag)
    when = compile_tree(rule.when, currency=currency, own=frozenset({key}))
    return CompiledRule(
        rule,
        rule.id,
        spelled(rule.tag),
        key,
        when,
        rule.keep_days,
        rule.owns == "all",
        inputs_of(rule.trees),
        needs,
    )


def _tier(tier: TierGroup, currency: str, needs: frozenset[str]) -> CompiledTier:
    own = frozenset(map(fold, tier.tags))
    levels = []
    for level in tier.levels:
        when = compile_tree(level.when, currency=currency, own=own)
        levels.append(CompiledLevel(spelled(level.tag), fold(level.tag), when, inputs_of((level.when,))))
    keys = {level.key: at for at, level in enumerate(levels)}
    return CompiledTier(
        tier,
        tier.id,
        tuple(levels),
        keys,
        tier.downgrade_days,
        tier.owns == "all",
        inputs_of(tier.trees),
        frozenset({tier.id}),
        needs,
    )


def _all_needs(rule_set: RuleSet) -> dict[str, frozenset[str]]:
    """Near and far: whoever sets what a rule reads, and whoever sets what that one reads."""
    near = dependencies(rule_set.all)
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
