"""Compiled rule sets. Functions are generated lazily, on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

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
    """What rules do to the tags of a customer, if no hold decides and no ownership moves.

    All tags are folded but those of `wanted`.
    """

    wanted: tuple[str, ...]  # given by rules, as the rules spell them; tiers come last
    missing: tuple[str, ...]  # wanted and absent: added
    unwanted: tuple[str, ...]  # present, although the rules that set them do not match
    matched: tuple[str, ...]  # ids of the matching rules of tags that several rules set
    starts_hold: int  # 1 if an added tag starts a hold
    orphans: tuple[str, ...] = ()  # owned, and set by no live rule
    lost: frozenset[str] = frozenset()  # the unwanted tags and orphans that are removed


FastPath = Callable[[Facts], FastResult | None]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A compiled rule."""

    rule: Rule
    id: str
    tag: str
    key: str  # the folded tag
    when: CompiledExpression
    keep_days: int
    owns_all: bool
    inputs: RuleInputs
    depends_on: frozenset[str]  # ids of the rules and tiers to decide before, direct or not

    @property
    def matches(self) -> Test:
        return self.when.matches

    @property
    def next_change(self) -> NextChange | None:
        return self.when.next_change


@dataclass(frozen=True, slots=True)
class CompiledLevel:
    """A compiled level of a tier."""

    tag: str
    key: str  # the folded tag
    when: CompiledExpression
    inputs: RuleInputs

    @property
    def matches(self) -> Test:
        return self.when.matches


@dataclass(frozen=True)
class CompiledTier:
    """A compiled tier."""

    tier: Tier
    id: str
    levels: tuple[CompiledLevel, ...]  # from the top
    level_by_tag: Mapping[str, int]  # folded tag -> index of the level
    downgrade_days: int
    owns_all: bool
    inputs: RuleInputs
    rule_ids: frozenset[str]  # only the tier's own id
    depends_on: frozenset[str]  # ids of the rules and tiers to decide before, direct or not

    @property
    def has_hold(self) -> bool:
        return bool(self.downgrade_days)

    @cached_property
    def next_change(self) -> NextChange | None:
        return compile_next_change([level.when for level in self.levels])


@dataclass(frozen=True)
class TagStep:
    """One tag and the live rules that set it. The tag is wanted while any of them matches."""

    tag: str
    key: str
    rules: tuple[CompiledRule, ...]
    rule_ids: frozenset[str]
    depends_on: frozenset[str]  # ids of the rules and tiers to decide before, direct or not
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
_NO_RULES: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class CompiledRules:
    """A compiled rule set. Rules and tiers that are not enabled are left out.

    `readers`: key of a record -> ids of the live rules and tiers that read it. They decide nothing for a customer whose
    record lacks it, because a missing field is not an empty value.
    """

    rule_set: RuleSet
    calendar: Calendar
    rules: tuple[CompiledRule, ...]  # in the order of the document
    tiers: tuple[CompiledTier, ...]  # in the order of the document
    steps: tuple[Step, ...]  # in the order of decisions
    managed_tags: frozenset[str]  # folded tags that live rules set
    tags_by_rule: Mapping[str, frozenset[str]]  # id of a live rule or tier -> folded tags that it sets
    rules_without_hold: frozenset[str]  # ids of live rules and tiers without `keep` or `downgrade`
    readers: Mapping[str, frozenset[str]]
    orphan_policies: Mapping[
        str, OrphanPolicy
    ]  # by rule id, also of rules that are no longer in the document
    revoked_grants: frozenset[tuple[str, int]]  # (rule id, version): a roll-back revokes what these added
    rolled_back: frozenset[int]  # versions whose removals a roll-back restores
    holding_steps: tuple[Step, ...]  # the steps with `keep` or `downgrade`
    build_facts: Callable[[Customer, int], Facts]  # on a day (ordinal), as far as live rules read them

    def local_day(self, ms: int) -> int:
        """The shop's day (ordinal) at a moment."""
        return self.calendar.day_of(ms)

    @cached_property
    def required_keys(self) -> frozenset[str]:
        """The keys of a record that the live rules read, and `tags` if there is a live rule."""
        return frozenset(key for key, rules in self.readers.items() if rules)

    def undecided_rules(self, customer: Customer) -> frozenset[str]:
        """The ids of the live rules and tiers that read a field which this customer's record lacks."""
        if not customer.missing:
            return _NO_RULES
        return _NO_RULES.union(*(self.readers.get(field.key, _NO_RULES) for field in customer.missing))

    @cached_property
    def fast_path(self) -> FastPath:
        """Returns what all steps do to the tags of a customer, or None if that takes the whole decision."""
        return _compile_fast_path(self.steps, self.tags_by_rule)

    @cached_property
    def step_by_tag(self) -> Mapping[str, Step]:
        """The step that sets each folded tag."""
        return {key: step for step in self.steps for key in _keys(step)}

    @cached_property
    def next_change_by_rule(self) -> tuple[tuple[str, NextChange], ...]:
        """Ids and functions of the rules and tiers whose result may change by time alone."""
        live: tuple[CompiledRule | CompiledTier, ...] = (*self.rules, *self.tiers)
        return tuple((rule.id, rule.next_change) for rule in live if rule.next_change is not None)

    @cached_property
    def next_change(self) -> NextChange | None:
        """Returns the first later day (ordinal) on which time alone may change the result of any rule or tier."""
        levels = (level.when for tier in self.tiers for level in tier.levels)
        return compile_next_change([*(rule.when for rule in self.rules), *levels])


def _keys(step: Step) -> frozenset[str]:
    return frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.level_by_tag)


def _compile_fast_path(steps: tuple[Step, ...], tags_by_rule: Mapping[str, frozenset[str]]) -> FastPath:
    """Compile one function for all steps. It returns None at the first step that needs the whole decision."""
    builder = FunctionBuilder()
    result = builder.bind(FastResult)
    builder.add_line("tags, starts_hold = facts.tags, 0")
    builder.add_line("wanted, levels, missing, unwanted, matched = [], [], [], [], []")
    for step in steps:
        read = frozenset[str]().union(*(tags_by_rule.get(rule, ()) for rule in step.depends_on))
        if read:  # the step must see the tags as earlier steps leave them
            name = builder.bind(read)
            builder.add_line(f"if missing and not {name}.isdisjoint(missing): return None")
            builder.add_line(f"if unwanted and not {name}.isdisjoint(unwanted): return None")
        if isinstance(step, TagStep):
            _emit_tag(step, builder)
        else:
            _emit_tier(step, builder)
    builder.add_line(
        f"return {result}((*wanted, *levels), tuple(missing), tuple(unwanted), tuple(matched), starts_hold)"
    )
    fast_path: FastPath = builder.build()
    return fast_path


def _emit_tag(step: TagStep, builder: FunctionBuilder) -> None:
    key, tag = builder.bind(step.key), builder.bind(step.tag)
    if len(step.rules) == 1:
        builder.add_line(f"if {step.rules[0].when.emit_test(builder)}:")
    else:
        builder.add_line("before = len(matched)")
        for rule in step.rules:
            builder.add_line(f"if {rule.when.emit_test(builder)}: matched.append({builder.bind(rule.id)})")
        builder.add_line("if len(matched) > before:")
    builder.add_line(f"wanted.append({tag})", depth=1)
    builder.add_line(f"if {key} not in tags:", depth=1)
    builder.add_line(f"missing.append({key})", depth=2)
    if step.has_hold:
        builder.add_line("starts_hold = 1", depth=2)
    builder.add_line(f"elif {key} in tags: {'return None' if step.has_hold else f'unwanted.append({key})'}")


def _emit_tier(tier: CompiledTier, builder: FunctionBuilder) -> None:
    """If the customer has a higher level than the earned one, a hold decides, so the fast path returns None."""
    keys = builder.bind(frozenset(tier.level_by_tag))
    builder.add_line("level = None")
    for index, level in enumerate(tier.levels):
        builder.add_line(f"{'elif' if index else 'if'} {level.when.emit_test(builder)}:")
        builder.add_line(f"level = {builder.bind(level.key)}", depth=1)
        builder.add_line(f"levels.append({builder.bind(level.tag)})", depth=1)
        if index and tier.has_hold:
            higher = builder.bind(frozenset(level.key for level in tier.levels[:index]))
            builder.add_line(f"if not {higher}.isdisjoint(tags): return None", depth=1)
    if tier.has_hold:
        builder.add_line(f"elif not {keys}.isdisjoint(tags): return None")
    builder.add_line("if level is not None and level not in tags:")
    builder.add_line("missing.append(level)", depth=1)
    if tier.has_hold:
        builder.add_line("starts_hold = 1", depth=1)
    builder.add_line(f"if not {keys}.isdisjoint(tags):")
    builder.add_line(f"for other in {builder.bind(tuple(tier.level_by_tag))}:", depth=1)
    builder.add_line("if other in tags and other != level:", depth=2)
    # Evidence that lists all tags depends on the order of additions and removals.
    lists_tags = "tags" in tier.inputs.fields
    builder.add_line("return None" if lists_tags else "unwanted.append(other)", depth=3)
