"""A rule set made ready to be asked about customers. What is asked is compiled when it is first asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from service.domain.customers import Customer
from service.domain.engine.codegen import FunctionBuilder
from service.domain.engine.evidence import RuleInputs
from service.domain.engine.facts import Facts
from service.domain.engine.predicates import (
    CompiledExpression,
    NextChange,
    Test,
    compile_next_change,
    compile_test,
)
from service.domain.rules import Calendar, OrphanPolicy, Rule, RuleSet, Tier


class FastResult(NamedTuple):
    """What rules do to a customer's tags, where no hold decides and no ownership moves.

    `wanted`: the tags that rules give, as they spell them, tiers last. `matched`: ids of the matching rules of tags
    that several rules set. The others are folded tags. `missing`: wanted and absent, so they are added. `unwanted`:
    present, although the rules that set them do not match; they are in `lost` too if they are removed. `orphans`:
    ours, set by no live rule any more; they are in `lost` too if they are removed. `starts_hold`: a tag that is
    added begins a hold.
    """

    wanted: tuple[str, ...]
    missing: tuple[str, ...]
    unwanted: tuple[str, ...]
    matched: tuple[str, ...]
    starts_hold: int
    orphans: tuple[str, ...] = ()
    lost: frozenset[str] = frozenset()


FastPath = Callable[[Facts], FastResult | None]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule, ready. `depends_on`: the ids of those that are decided before it, directly or not."""

    rule: Rule
    id: str
    tag: str
    key: str  # the folded tag
    when: CompiledExpression
    keep_days: int
    owns_all: bool
    inputs: RuleInputs
    depends_on: frozenset[str]

    @property
    def matches(self) -> Test:
        return self.when.matches

    @property
    def next_change(self) -> NextChange | None:
        return self.when.next_change


@dataclass(frozen=True, slots=True)
class CompiledLevel:
    """A step of a tier, ready."""

    tag: str
    key: str
    when: CompiledExpression
    inputs: RuleInputs

    @property
    def matches(self) -> Test:
        return self.when.matches


@dataclass(frozen=True)
class CompiledTier:
    """A tier, ready."""

    tier: Tier
    id: str
    levels: tuple[CompiledLevel, ...]
    level_by_tag: Mapping[str, int]  # folded tag -> level
    downgrade_days: int
    owns_all: bool
    inputs: RuleInputs
    rule_ids: frozenset[str]  # its own id alone
    depends_on: frozenset[str]

    @cached_property
    def next_change(self) -> NextChange | None:
        return compile_next_change([level.when for level in self.levels])


@dataclass(frozen=True)
class TagStep:
    """One tag and the live rules that set it: it is there while any of them matches."""

    tag: str
    key: str
    rules: tuple[CompiledRule, ...]
    rule_ids: frozenset[str]
    depends_on: frozenset[str]  # the ids of those that are decided before one of its rules, directly or not
    has_hold: bool
    owns_all: bool

    @cached_property
    def matches(self) -> Test:
        return (
            self.rules[0].matches
            if len(self.rules) == 1
            else compile_test([rule.when for rule in self.rules])
        )


Step = TagStep | CompiledTier


@dataclass(frozen=True)
class CompiledRules:
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
    managed_tags: frozenset[str]  # folded tags that live rules set
    tags_by_rule: Mapping[str, frozenset[str]]  # id of a live rule or tier -> folded tags that it sets
    rules_without_hold: frozenset[
        str
    ]  # ids of live rules and tiers that hold nothing: they keep while matching
    required_keys: frozenset[str]
    orphan_policies: Mapping[str, OrphanPolicy]  # also of rules that are no longer in the document
    revoked_grants: frozenset[tuple[str, int]]
    rolled_back: frozenset[int]  # versions whose removals are put back
    holding_steps: tuple[Step, ...]  # the steps that hold something after it no longer matches
    build_facts: Callable[[Customer, int], Facts]  # that the live rules read, on a day (ordinal)

    def local_day(self, ms: int) -> int:
        """The shop's day (ordinal) of a moment."""
        return self.calendar.day_of(ms)

    @cached_property
    def fast_path(self) -> FastPath:
        """Returns what all steps do to a customer's tags, or None if only the whole decision can tell."""
        return _compile_fast_path(self.steps, self.tags_by_rule)

    @cached_property
    def step_by_tag(self) -> Mapping[str, Step]:
        """The step that sets each folded tag."""
        return {key: step for step in self.steps for key in _keys(step)}

    @cached_property
    def next_change_by_rule(self) -> tuple[tuple[str, NextChange], ...]:
        """By rule or tier, as far as time alone may change what it says."""
        ready: tuple[CompiledRule | CompiledTier, ...] = (*self.rules, *self.tiers)
        return tuple((one.id, one.next_change) for one in ready if one.next_change is not None)

    @cached_property
    def next_change(self) -> NextChange | None:
        """All of them at once: the first later day on which time alone may change what any rule or tier says."""
        levels = (level.when for tier in self.tiers for level in tier.levels)
        return compile_next_change([*(rule.when for rule in self.rules), *levels])


def _keys(step: Step) -> frozenset[str]:
    return frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.level_by_tag)


def _compile_fast_path(steps: tuple[Step, ...], live: Mapping[str, frozenset[str]]) -> FastPath:
    """One function for all steps. It gives up at the first step that only the whole decision can settle."""
    source = FunctionBuilder()
    result = source.bind(FastResult)
    source.add_line("tags, starts_hold = facts.tags, 0")
    source.add_line("wanted, levels, missing, unwanted, matched = [], [], [], [], []")
    for step in steps:
        read = frozenset[str]().union(*(live.get(one, ()) for one in step.depends_on))
        if read:  # it must see the tags as earlier steps leave them
            name = source.bind(read)
            source.add_line(f"if missing and not {name}.isdisjoint(missing): return None")
            source.add_line(f"if unwanted and not {name}.isdisjoint(unwanted): return None")
        if isinstance(step, TagStep):
            _fast_tag(step, source)
        else:
            _fast_tier(step, source)
    source.add_line(
        f"return {result}((*wanted, *levels), tuple(missing), tuple(unwanted), tuple(matched), starts_hold)"
    )
    fast_path: FastPath = source.build()
    return fast_path


def _fast_tag(step: TagStep, source: FunctionBuilder) -> None:
    key, tag = source.bind(step.key), source.bind(step.tag)
    if len(step.rules) == 1:
        source.add_line(f"if {step.rules[0].when.emit_test(source)}:")
    else:
        source.add_line("others = len(matched)")
        for rule in step.rules:
            source.add_line(f"if {rule.when.emit_test(source)}: matched.append({source.bind(rule.id)})")
        source.add_line("if len(matched) > others:")
    source.add_line(f"wanted.append({tag})", depth=1)
    source.add_line(f"if {key} not in tags:", depth=1)
    source.add_line(f"missing.append({key})", depth=2)
    if step.has_hold:
        source.add_line("starts_hold = 1", depth=2)
    source.add_line(f"elif {key} in tags: {'return None' if step.has_hold else f'unwanted.append({key})'}")


def _fast_tier(tier: CompiledTier, source: FunctionBuilder) -> None:
    """A hold decides whether a customer keeps a level that is higher than the one earned."""
    keys, holds = source.bind(frozenset(tier.level_by_tag)), bool(tier.downgrade_days)
    source.add_line("level = None")
    for at, level in enumerate(tier.levels):
        source.add_line(f"{'elif' if at else 'if'} {level.when.emit_test(source)}:")
        source.add_line(f"level = {source.bind(level.key)}", depth=1)
        source.add_line(f"levels.append({source.bind(level.tag)})", depth=1)
        if at and holds:
            higher = source.bind(frozenset(one.key for one in tier.levels[:at]))
            source.add_line(f"if not {higher}.isdisjoint(tags): return None", depth=1)
    if holds:
        source.add_line(f"elif not {keys}.isdisjoint(tags): return None")
    source.add_line("if level is not None and level not in tags:")
    source.add_line("missing.append(level)", depth=1)
    if holds:
        source.add_line("starts_hold = 1", depth=1)
    source.add_line(f"if not {keys}.isdisjoint(tags):")
    source.add_line(f"for other in {source.bind(tuple(tier.level_by_tag))}:", depth=1)
    source.add_line("if other in tags and other != level:", depth=2)
    whole = "tags" in tier.inputs.fields  # the evidence shows each step of a move
    source.add_line("return None" if whole else "unwanted.append(other)", depth=3)
