"""The rule document: rules, tiers and the rule set, kept exactly as authored."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from service.domain.rules.conditions import Expression, Model, Node, check_limits
from service.domain.rules.operands import parse_duration_days
from service.domain.rules.scalars import (
    Currency,
    Duration,
    KeepPolicy,
    Slug,
    TagText,
    Text,
    TimeZoneName,
    did_you_mean,
    validation_error,
)

MAX_RULES: Final = 200
MAX_TIERS: Final = 20
MAX_LEVELS: Final = 20
FOREVER: Final = -1

OwnershipScope = Literal["added", "all"]
OrphanPolicy = Literal["leave", "remove"]
When = Annotated[Node, AfterValidator(check_limits)]


class LocalizedName(Model):
    """A name in Vietnamese, English, or both."""

    vi: Text | None = None
    en: Text | None = None


def _parse_name(value: object) -> object:
    if value is not None and not isinstance(value, str | dict | LocalizedName):
        raise validation_error("bad_name", "expected a text, or {vi: …, en: …}")
    return LocalizedName.model_validate(value) if isinstance(value, dict) else value


Name = Annotated[LocalizedName | Text | None, BeforeValidator(_parse_name)]


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
    if isinstance(value, str) and value not in {"at_once", "never"}:
        suggestion = did_you_mean(value, ("at_once", "never"))
        raise validation_error(
            "bad_downgrade", f"expected at_once, never or {{after: 90 days}}, got {value!r}{suggestion}"
        )
    if isinstance(value, dict):
        return DowngradeAfter.model_validate(value)
    return value


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
