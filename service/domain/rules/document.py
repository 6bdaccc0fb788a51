"""The rules document as people write it: typed, checked, and kept exactly as authored."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from service.domain.rules.amounts import parse_duration_days
from service.domain.rules.conditions import Expression, Model, Node, check_limits
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
    """A name in the languages of the pages."""

    vi: Text | None = None
    en: Text | None = None


def _a_name(value: object) -> object:
    if value is not None and not isinstance(value, str | dict | LocalizedName):
        raise validation_error("bad_name", "expected a text, or {vi: …, en: …}")
    return LocalizedName.model_validate(value) if isinstance(value, dict) else value


Name = Annotated[LocalizedName | Text | None, BeforeValidator(_a_name)]


class RuleBase(Model):
    """What rules and tiers share: an id that is stable for ever, a name, a note, and whether it is live."""

    id: Slug
    name: Name = None
    note: Text | None = None
    enabled: StrictBool = True

    def display_name(self, language: str) -> str:
        """The name in a language ('vi', 'en'), or in the other one, or the id."""
        if isinstance(self.name, LocalizedName):
            both = (self.name.en, self.name.vi) if language == "en" else (self.name.vi, self.name.en)
            return both[0] or both[1] or self.id
        return self.name or self.id


class Rule(RuleBase):
    """One tag and when a customer has it.

    `keep`: what happens when the customer no longer matches. `owns`: which copies of the tag may be
    removed. `when_gone`: what happens to tags that are ours once the rule is deleted, disabled or its tag
    renamed.
    """

    tag: TagText
    keep: KeepPolicy = "while_matching"
    owns: OwnershipScope = "added"
    when_gone: OrphanPolicy = "leave"
    when: When

    @property
    def keep_days(self) -> int:
        """0 for while_matching, FOREVER, or the days that a given tag stays at least."""
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
    """Going down waits: `{after: 90 days}`."""

    after: Duration


def _downgrade(value: object) -> object:
    if isinstance(value, str) and value not in {"at_once", "never"}:
        near = did_you_mean(value, ("at_once", "never"))
        raise validation_error(
            "bad_downgrade", f"expected at_once, never or {{after: 90 days}}, got {value!r}{near}"
        )
    if isinstance(value, dict):
        return DowngradeAfter.model_validate(value)
    return value


Downgrade = Annotated[Literal["at_once", "never"] | DowngradeAfter, BeforeValidator(_downgrade)]


class TierLevel(Model):
    """One step of a tier."""

    tag: TagText
    when: When


class Tier(RuleBase):
    """Tags that exclude each other: the first level from the top that matches wins."""

    owns: OwnershipScope = "all"  # exclusive means exclusive
    when_gone: OrphanPolicy = "leave"
    downgrade: Downgrade = "at_once"
    levels: tuple[TierLevel, ...] = Field(min_length=1, max_length=MAX_LEVELS)

    @property
    def downgrade_days(self) -> int:
        """0 for at_once, FOREVER for never, or the days that a level stays after it is lost."""
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
    """A whole document. `version` is the version of this language, not of the rules.

    Its parts are valid each by itself. Whether they are consistent is for the parser to check.
    """

    version: Literal[1] = 1
    timezone: TimeZoneName = "Asia/Ho_Chi_Minh"
    currency: Currency = "VND"
    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)
    tiers: tuple[Tier, ...] = Field(default=(), max_length=MAX_TIERS)

    @property
    def all(self) -> tuple[Rule | Tier, ...]:
        """Rules and tiers, live or not, in the document's order."""
        return (*self.rules, *self.tiers)
