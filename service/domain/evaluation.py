"""A rule set made ready to be asked about customers. What is asked is compiled when it is first asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from service.domain.branches import Branch, Flip, Predicate, any_of, flip_of, test_of
from service.domain.customers import Customer
from service.domain.days import Calendar
from service.domain.facts import Facts
from service.domain.reasons import Inputs
from service.domain.rules import Rule, RuleSet, TierGroup, WhenGone
from service.domain.source import Source

Quick = Callable[[Facts], tuple[str, ...] | None]


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
    keeping: tuple[TagStep, ...]  # the steps that hold something after it no longer matches
    facts: Callable[[Customer, int], Facts]  # that the live rules read, on a day (ordinal)

    def day_of(self, ms: int) -> int:
        """The shop's day (ordinal) of a moment."""
        return self.calendar.day_of(ms)

    @cached_property
    def quick(self) -> Quick:
        """Asks what is asked most, whether a customer's tags are as they should be: those that rules give, or None."""
        return _quick(self.steps)

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


def _quick(steps: tuple[Step, ...]) -> Quick:
    """One function for all steps: it ends at the first tag that is not as it should be."""
    source = Source()
    source.line("tags, wanted = facts.tags, []")
    for step in steps:
        if isinstance(step, TagStep):
            key, tag = source.bind(step.key), source.bind(step.tag)
            source.line(f"if {any_of([rule.when for rule in step.rules], source)}:")
            source.line(f"if {key} not in tags: return None", depth=1)
            source.line(f"wanted.append({tag})", depth=1)
            source.line(f"elif {key} in tags: return None")
    for step in steps:
        if isinstance(step, CompiledTier):
            _quick_tier(step, source)
    source.line("return tuple(wanted)")
    quick: Quick = source.function()
    return quick


def _quick_tier(tier: CompiledTier, source: Source) -> None:
    """The level that wins is the only one there."""
    keys = source.bind(frozenset(tier.keys))
    for at, level in enumerate(tier.levels):
        key, tag = source.bind(level.key), source.bind(level.tag)
        source.line(f"{'elif' if at else 'if'} {level.when.test(source)}:")
        source.line(f"if {key} not in tags or len({keys} & tags) > 1: return None", depth=1)
        source.line(f"wanted.append({tag})", depth=1)
    source.line(f"elif not {keys}.isdisjoint(tags): return None")
