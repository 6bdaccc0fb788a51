"""The rule document: rules, tiers and the rule set, kept exactly as authored.

A rule that reads a tag depends on the rules that set it: these are decided first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Final, Literal, Protocol

from pydantic import BeforeValidator, Field, StrictBool

from service.domain.customers import fold
from service.domain.rules.conditions import Expression, Model, Node, iter_conditions
from service.domain.rules.messages import message
from service.domain.rules.operands import format_authored, parse_duration_days
from service.domain.rules.scalars import (
    Currency,
    Duration,
    KeepPolicy,
    Slug,
    TagText,
    Text,
    TimeZoneName,
    check_text,
    did_you_mean,
    validation_error,
)

MAX_RULES: Final = 200
MAX_TIERS: Final = 20
MAX_LEVELS: Final = 20
FOREVER: Final = -1

OwnershipScope = Literal["added", "all"]
OrphanPolicy = Literal["leave", "remove"]
When = Node


class LocalizedName(Model):
    """A name in Vietnamese, English, or both."""

    vi: Text | None = None
    en: Text | None = None


def _parse_name(value: object) -> object:
    if isinstance(value, dict):
        return LocalizedName.model_validate(value)
    if isinstance(value, str):
        return check_text(value)
    if value is not None and not isinstance(value, LocalizedName):
        raise validation_error("bad_name", message("name"))
    return value


Name = Annotated[LocalizedName | str | None, BeforeValidator(_parse_name)]


class RuleBase(Model):
    """The fields that rules and tiers share. `id` never changes; a rule that is not `enabled` is not decided."""

    id: Slug
    name: Name = None
    note: Text | None = None
    enabled: StrictBool = True

    def display_name(self, language: str) -> str:
        """Return the name in a language ('vi', 'en'), else in the other language, else the id."""
        if isinstance(self.name, LocalizedName):
            first, second = (self.name.en, self.name.vi) if language == "en" else (self.name.vi, self.name.en)
            return first or second or self.id
        return self.name or self.id


class Rule(RuleBase):
    """A tag and the condition under which a customer has it.

    `keep`: how long the tag stays after the customer stops matching. `owns`: whether the rule may remove only tags
    that we added, or all. `when_gone`: what happens to tags that we added once the rule is deleted or disabled, or
    its tag is renamed.
    """

    tag: TagText
    keep: KeepPolicy = "while_matching"
    owns: OwnershipScope = "added"
    when_gone: OrphanPolicy = "leave"
    when: When

    @property
    def keep_days(self) -> int:
        """0 for while_matching, FOREVER for forever, else the minimum number of days that an added tag stays."""
        if self.keep == "forever":
            return FOREVER
        return 0 if self.keep == "while_matching" else parse_duration_days(self.keep) or 0

    @property
    def tags(self) -> tuple[str, ...]:
        return (self.tag,)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return (self.when,)


class DowngradeAfter(Model):
    """A downgrade that happens after a waiting period: `{after: 90 days}`."""

    after: Duration


def _parse_downgrade(value: object) -> object:
    if isinstance(value, dict):
        return DowngradeAfter.model_validate(value)
    if value in ("at_once", "never") or isinstance(value, DowngradeAfter):
        return value
    hint = did_you_mean(value, ("at_once", "never")) if isinstance(value, str) else ""
    raise validation_error("bad_downgrade", message("downgrade", got=format_authored(value), hint=hint))


Downgrade = Annotated[Literal["at_once", "never"] | DowngradeAfter, BeforeValidator(_parse_downgrade)]


class TierLevel(Model):
    """One level of a tier: its tag and its condition."""

    tag: TagText
    when: When


class Tier(RuleBase):
    """Levels with tags that exclude each other. The first level in the list that matches wins."""

    owns: OwnershipScope = "all"  # tags that people added break the exclusion too
    when_gone: OrphanPolicy = "leave"
    downgrade: Downgrade = "at_once"
    levels: tuple[TierLevel, ...] = Field(min_length=1, max_length=MAX_LEVELS)

    @property
    def downgrade_days(self) -> int:
        """0 for at_once, FOREVER for never, else the number of days that a level stays after it is lost."""
        if isinstance(self.downgrade, DowngradeAfter):
            return parse_duration_days(self.downgrade.after) or 0
        return FOREVER if self.downgrade == "never" else 0

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(level.tag for level in self.levels)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(level.when for level in self.levels)


class RuleSet(Model):
    """A whole document. `version` is the version of the rule language, not of the rules.

    Every part is valid by itself. The parser checks that the parts are consistent with each other.
    """

    version: Literal[1] = 1
    timezone: TimeZoneName = "Asia/Ho_Chi_Minh"
    currency: Currency = "VND"
    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)
    tiers: tuple[Tier, ...] = Field(default=(), max_length=MAX_TIERS)

    @property
    def all(self) -> tuple[Rule | Tier, ...]:
        """All rules and tiers in document order, enabled or not."""
        return (*self.rules, *self.tiers)


RuleOrTier = Rule | Tier


class TagSetter(Protocol):
    """What a rule or tier sets and reads. A part of an invalid document may stand for it."""

    @property
    def id(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...

    @property
    def expressions(self) -> tuple[Expression, ...]: ...


def direct_dependencies(rules: Iterable[TagSetter]) -> dict[str, set[str]]:
    """Return, by id, the ids of the rules and tiers that must be decided before each rule and tier."""
    rules = tuple(rules)
    setters: dict[str, set[str]] = {}
    for rule in rules:
        for tag in rule.tags:
            setters.setdefault(fold(tag), set()).add(rule.id)
    dependencies: dict[str, set[str]] = {}
    for rule in rules:
        dependencies.setdefault(rule.id, set()).update(_rules_read_by(rule, setters))
    return dependencies


def _rules_read_by(rule: TagSetter, setters: Mapping[str, set[str]]) -> set[str]:
    """`is_empty` reads every tag except the rule's own tags: otherwise the rule would undo itself."""
    own = {fold(tag) for tag in rule.tags}
    ids: set[str] = set()
    for expression in rule.expressions:
        for condition in iter_conditions(expression):
            if condition.field != "tags":
                continue
            listed = condition.value if isinstance(condition.value, tuple) else None
            keys = setters.keys() - own if listed is None else {fold(str(tag)) for tag in listed}
            ids.update(*(setters.get(key, set()) for key in keys))
    return ids


def find_cycle(rules: Iterable[TagSetter]) -> tuple[str, ...]:
    """Return the ids of one dependency cycle, starting and ending with the same id; empty if there is none."""
    try:
        TopologicalSorter(direct_dependencies(rules)).prepare()
    except CycleError as exc:
        return tuple(exc.args[1])
    return ()
