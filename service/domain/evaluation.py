"""A rule set made ready to be asked about customers. What is asked is compiled when it is first asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from service.domain.branches import Branch, Flip, Predicate, flip_of, test_of
from service.domain.customers import Customer
from service.domain.days import Calendar
from service.domain.facts import Facts
from service.domain.reasons import Inputs
from service.domain.rules import Rule, RuleSet, TierGroup, WhenGone
from service.domain.source import Source


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

    source: Rule
    id: str
    tag: str
    key: str  # the folded tag
    when: Branch
    keep_days: int
    owns_all: bool
    inputs: Inputs
    depends_on: frozenset[str]

    @property
    def matches(self) -> Predicate:
        return self.when.matches

    @property
    def flip(self) -> Flip | None:
        return self.when.flip


@dataclass(frozen=True, slots=True)
class CompiledLevel:
    """A step of a tier, ready."""

    tag: str
    key: str
    when: Branch
    inputs: Inputs

    @property
    def matches(self) -> Predicate:
        return self.when.matches


@dataclass(frozen=True)
class CompiledTier:
    """A tier, ready."""

    source: TierGroup
    id: str
    levels: tuple[CompiledLevel, ...]
    keys: Mapping[str, int]  # folded tag -> level
    downgrade_days: int
    owns_all: bool
    inputs: Inputs
    rule_ids: frozenset[str]  # its own id alone
    depends_on: frozenset[str]

    @cached_property
    def flip(self) -> Flip | None:
        return flip_of([level.when for level in self.levels])


@dataclass(frozen=True)
class TagStep:
    """One tag and the live rules that set it: it is there while any of them matches."""

    tag: str
    key: str
    rules: tuple[CompiledRule, ...]
    rule_ids: frozenset[str]
    depends_on: frozenset[str]  # the ids of those that are decided before one of its rules, directly or not
    keeps: bool
    owns_all: bool

    @cached_property
    def matches(self) -> Predicate:
        return self.rules[0].matches if len(self.rules) == 1 else test_of([rule.when for rule in self.rules])


Step = TagStep | CompiledTier


@dataclass(frozen=True)
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
    keeping: tuple[Step, ...]  # the steps that hold something after it no longer matches
    facts: Callable[[Customer, int], Facts]  # that the live rules read, on a day (ordinal)

    def day_of(self, ms: int) -> int:
        """The shop's day (ordinal) of a moment."""
        return self.calendar.day_of(ms)

    @cached_property
    def fast_path(self) -> FastPath:
        """Returns what all steps do to a customer's tags, or None if only the whole decision can tell."""
        return _compile_fast_path(self.steps, self.live)

    @cached_property
    def step_by_tag(self) -> Mapping[str, Step]:
        """The step that sets each folded tag."""
        return {key: step for step in self.steps for key in _keys(step)}

    @cached_property
    def flips(self) -> tuple[tuple[str, Flip], ...]:
        """By rule or tier, as far as time alone may change what it says."""
        ready: tuple[CompiledRule | CompiledTier, ...] = (*self.rules, *self.tiers)
        return tuple((one.id, one.flip) for one in ready if one.flip is not None)

    @cached_property
    def flip(self) -> Flip | None:
        """All of them at once: the first later day on which time alone may change what any rule or tier says."""
        levels = (level.when for tier in self.tiers for level in tier.levels)
        return flip_of([*(rule.when for rule in self.rules), *levels])


def _keys(step: Step) -> frozenset[str]:
    return frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.keys)


def _compile_fast_path(steps: tuple[Step, ...], live: Mapping[str, frozenset[str]]) -> FastPath:
    """One function for all steps. It gives up at the first step that only the whole decision can settle."""
    source = Source()
    result = source.bind(FastResult)
    source.line("tags, starts_hold = facts.tags, 0")
    source.line("wanted, levels, missing, unwanted, matched = [], [], [], [], []")
    for step in steps:
        read = frozenset[str]().union(*(live.get(one, ()) for one in step.depends_on))
        if read:  # it must see the tags as earlier steps leave them
            name = source.bind(read)
            source.line(f"if missing and not {name}.isdisjoint(missing): return None")
            source.line(f"if unwanted and not {name}.isdisjoint(unwanted): return None")
        if isinstance(step, TagStep):
            _fast_tag(step, source)
        else:
            _fast_tier(step, source)
    source.line(
        f"return {result}((*wanted, *levels), tuple(missing), tuple(unwanted), tuple(matched), starts_hold)"
    )
    fast_path: FastPath = source.function()
    return fast_path


def _fast_tag(step: TagStep, source: Source) -> None:
    key, tag = source.bind(step.key), source.bind(step.tag)
    if len(step.rules) == 1:
        source.line(f"if {step.rules[0].when.test(source)}:")
    else:
        source.line("others = len(matched)")
        for rule in step.rules:
            source.line(f"if {rule.when.test(source)}: matched.append({source.bind(rule.id)})")
        source.line("if len(matched) > others:")
    source.line(f"wanted.append({tag})", depth=1)
    source.line(f"if {key} not in tags:", depth=1)
    source.line(f"missing.append({key})", depth=2)
    if step.keeps:
        source.line("starts_hold = 1", depth=2)
    source.line(f"elif {key} in tags: {'return None' if step.keeps else f'unwanted.append({key})'}")


def _fast_tier(tier: CompiledTier, source: Source) -> None:
    """A hold decides whether a customer keeps a level that is higher than the one earned."""
    keys, holds = source.bind(frozenset(tier.keys)), bool(tier.downgrade_days)
    source.line("level = None")
    for at, level in enumerate(tier.levels):
        source.line(f"{'elif' if at else 'if'} {level.when.test(source)}:")
        source.line(f"level = {source.bind(level.key)}", depth=1)
        source.line(f"levels.append({source.bind(level.tag)})", depth=1)
        if at and holds:
            higher = source.bind(frozenset(one.key for one in tier.levels[:at]))
            source.line(f"if not {higher}.isdisjoint(tags): return None", depth=1)
    if holds:
        source.line(f"elif not {keys}.isdisjoint(tags): return None")
    source.line("if level is not None and level not in tags:")
    source.line("missing.append(level)", depth=1)
    if holds:
        source.line("starts_hold = 1", depth=1)
    source.line(f"if not {keys}.isdisjoint(tags):")
    source.line(f"for other in {source.bind(tuple(tier.keys))}:", depth=1)
    source.line("if other in tags and other != level:", depth=2)
    whole = "tags" in tier.inputs.fields  # the evidence shows each step of a move
    source.line("return None" if whole else "unwanted.append(other)", depth=3)
