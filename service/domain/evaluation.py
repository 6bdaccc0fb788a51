"""A rule set made ready to run: conditions as closures, rules in the order in which they may be decided."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from service.domain.branches import Branch, any_of, compile_tree, earliest
from service.domain.conditions import comparisons
from service.domain.customers import Customer
from service.domain.days import Calendar, calendar
from service.domain.facts import Facts, facts_maker, fold
from service.domain.fields import FIELDS
from service.domain.flips import Flip
from service.domain.ordering import Maker, dependencies
from service.domain.ownership import NO_PAST, Past
from service.domain.predicates import Predicate
from service.domain.reasons import Inputs, inputs_of
from service.domain.rules import Rule, RuleSet, TierGroup, WhenGone


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule, ready. `needs`: the ids of those that are decided before it, near and far."""

    source: Rule
    id: str
    tag: str
    key: str  # the folded tag
    when: Branch
    matches: Predicate
    flip: Flip | None
    keep_days: int
    owns_all: bool
    inputs: Inputs
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class CompiledLevel:
    """A step of a tier, ready."""

    tag: str
    key: str
    when: Branch
    matches: Predicate
    inputs: Inputs


@dataclass(frozen=True, slots=True)
class CompiledTier:
    """A tier, ready."""

    source: TierGroup
    id: str
    levels: tuple[CompiledLevel, ...]
    keys: Mapping[str, int]  # folded tag -> level
    flip: Flip | None
    downgrade_days: int
    owns_all: bool
    inputs: Inputs
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class TagStep:
    """One tag and the live rules that set it: it is there while any of them matches."""

    tag: str
    key: str
    rules: tuple[CompiledRule, ...]
    ids: frozenset[str]
    matches: Predicate
    keeps: bool
    owns_all: bool


Step = TagStep | CompiledTier


@dataclass(frozen=True, slots=True)
class Quick:
    """The steps laid out for the question that is asked most: is everything as it should be?"""

    tests: tuple[tuple[Predicate, str], ...]  # with the folded tag that each gives
    keys: frozenset[str]
    spelled: Mapping[str, str]
    keeping: tuple[TagStep, ...]
    tiers: tuple[CompiledTier, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule set, ready to be asked about customers.

    `rules` and `tiers` are the live ones, in the document's order; `steps` the order of decisions.
    `reads` are the record's keys that they read (`tags` always): a record without one of them must not be
    decided on, since a missing key is not an empty value.
    """

    rule_set: RuleSet
    calendar: Calendar
    rules: tuple[CompiledRule, ...]
    tiers: tuple[CompiledTier, ...]
    steps: tuple[Step, ...]
    sets: frozenset[str]  # folded tags that live rules set
    live: Mapping[str, frozenset[str]]  # id of a live rule or tier -> folded tags that it sets
    idle: frozenset[str]  # ids of live rules and tiers that hold nothing: they keep while matching
    reads: frozenset[str]
    when_gone: Mapping[str, WhenGone]  # also of rules that are no longer in the document
    take_back: frozenset[tuple[str, int]]
    undone: frozenset[int]  # versions whose removals are put back
    quick: Quick
    flips: tuple[tuple[str, Flip], ...]
    make_facts: Callable[[Customer, int], Facts]

    def facts(self, customer: Customer, today: int) -> Facts:
        """The facts that the live rules read, on a day (ordinal)."""
        return self.make_facts(customer, today)

    def day_of(self, ms: int) -> int:
        """The shop's day (ordinal) of a moment."""
        return self.calendar.day_of(ms)


def compile_rules(rule_set: RuleSet, *, past: Past = NO_PAST) -> Compiled:
    """Make a rule set ready; `past` is what earlier versions left behind (see ownership.Past)."""
    needs = _all_needs(rule_set)
    currency = rule_set.currency
    rules = tuple(_rule(rule, currency, needs[rule.id]) for rule in rule_set.rules if rule.enabled)
    tiers = tuple(_tier(tier, currency, needs[tier.id]) for tier in rule_set.tiers if tier.enabled)
    everything: tuple[Maker, ...] = (*rule_set.rules, *rule_set.tiers)
    live = [maker for maker in everything if maker.enabled]
    fields = {leaf.field for maker in live for tree in maker.trees for leaf in comparisons(tree)}
    zone = calendar(rule_set.timezone)
    make = facts_maker(
        calendar=zone, needs=frozenset(name for field in fields for name in FIELDS[field].facts)
    )
    steps = _steps(rules, tiers, needs)
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
        when_gone={**past.gone, **{maker.id: maker.when_gone for maker in everything}},
        take_back=past.take_back,
        undone=past.undone,
        quick=_quick(steps),
        flips=tuple((one.id, one.flip) for one in ready if one.flip is not None),
        make_facts=make,
    )


def spelled(tag: str) -> str:
    """A tag as it is written to the record: as typed, in composed characters."""
    return unicodedata.normalize("NFC", tag).strip()


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
        when.matches,
        when.flip,
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
        levels.append(
            CompiledLevel(spelled(level.tag), fold(level.tag), when, when.matches, inputs_of((level.when,)))
        )
    keys = {level.key: at for at, level in enumerate(levels)}
    flip = earliest([level.when for level in levels])
    return CompiledTier(
        tier,
        tier.id,
        tuple(levels),
        keys,
        flip,
        tier.downgrade_days,
        tier.owns == "all",
        inputs_of(tier.trees),
        needs,
    )


def _all_needs(rule_set: RuleSet) -> dict[str, frozenset[str]]:
    """Near and far: whoever sets what a rule reads, and whoever sets what that one reads."""
    near = dependencies((*rule_set.rules, *rule_set.tiers))
    far: dict[str, frozenset[str]] = {}
    for one in TopologicalSorter(near).static_order():
        far[one] = frozenset(near[one]).union(*(far[other] for other in near[one]))
    return far


def _steps(
    rules: tuple[CompiledRule, ...], tiers: tuple[CompiledTier, ...], needs: Mapping[str, frozenset[str]]
) -> tuple[Step, ...]:
    """One step for each tag and tier, so that a tag is settled before anyone reads it."""
    by_tag: dict[str, list[CompiledRule]] = {}
    for rule in rules:
        by_tag.setdefault(rule.key, []).append(rule)
    steps: list[Step] = [*(_tag_step(tuple(group)) for group in by_tag.values()), *tiers]
    place = {one: at for at, step in enumerate(steps) for one in _ids(step)}
    graph = {
        at: {place[other] for one in _ids(step) for other in needs[one] if other in place} - {at}
        for at, step in enumerate(steps)
    }
    return tuple(steps[at] for at in TopologicalSorter(graph).static_order())


def _quick(steps: tuple[Step, ...]) -> Quick:
    tags = tuple(step for step in steps if isinstance(step, TagStep))
    return Quick(
        tests=tuple((step.matches, step.key) for step in tags),
        keys=frozenset(step.key for step in tags),
        spelled={step.key: step.tag for step in tags},
        keeping=tuple(step for step in tags if step.keeps),
        tiers=tuple(step for step in steps if isinstance(step, CompiledTier)),
    )


def _ids(step: Step) -> frozenset[str]:
    return step.ids if isinstance(step, TagStep) else frozenset({step.id})


def _tag_step(rules: tuple[CompiledRule, ...]) -> TagStep:
    matches = rules[0].matches if len(rules) == 1 else any_of(tuple(rule.matches for rule in rules))
    return TagStep(
        rules[0].tag,
        rules[0].key,
        rules,
        frozenset(rule.id for rule in rules),
        matches,
        any(rule.keep_days for rule in rules),
        any(rule.owns_all for rule in rules),
    )
