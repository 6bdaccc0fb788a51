"""The rules document as people write it: typed, checked, and kept exactly as authored."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from service.domain.amounts import read_span
from service.domain.authoring import Currency, Keep, Slug, Span, TagText, Text, Zone, wrong
from service.domain.conditions import Model, Node, Tree, check_size
from service.domain.problems import did_you_mean

MAX_RULES: Final = 200
MAX_TIERS: Final = 20
MAX_LEVELS: Final = 20
FOREVER: Final = -1

Owns = Literal["added", "all"]
WhenGone = Literal["leave", "remove"]
When = Annotated[Node, AfterValidator(check_size)]


class Names(Model):
    """A name in the languages of the pages."""

    vi: Text | None = None
    en: Text | None = None


def _a_name(value: object) -> object:
    if value is not None and not isinstance(value, str | dict | Names):
        raise wrong("bad_name", "expected a text, or {vi: …, en: …}")
    return Names.model_validate(value) if isinstance(value, dict) else value


Name = Annotated[Names | Text | None, BeforeValidator(_a_name)]


class Named(Model):
    """What rules and tiers share: an id that is stable for ever, a name, a note, and whether it is live."""

    id: Slug
    name: Name = None
    note: Text | None = None
    enabled: StrictBool = True

    def title(self, language: str) -> str:
        """The name in a language ('vi', 'en'), or in the other one, or the id."""
        if isinstance(self.name, Names):
            both = (self.name.en, self.name.vi) if language == "en" else (self.name.vi, self.name.en)
            return both[0] or both[1] or self.id
        return self.name or self.id


class Rule(Named):
    """One tag and when a customer has it.

    `keep`: what happens when the customer no longer matches. `owns`: which copies of the tag may be
    removed. `when_gone`: what happens to tags that are ours once the rule is deleted, disabled or its tag
    renamed.
    """

    tag: TagText
    keep: Keep = "while_matching"
    owns: Owns = "added"
    when_gone: WhenGone = "leave"
    when: When

    @property
    def keep_days(self) -> int:
        """0 for while_matching, FOREVER, or the days that a given tag stays at least."""
        if self.keep == "forever":
            return FOREVER
        return 0 if self.keep == "while_matching" else read_span(self.keep) or 0

    @property
    def tags(self) -> tuple[str, ...]:
        return (self.tag,)

    @property
    def trees(self) -> tuple[Tree, ...]:
        return (self.when,)


class After(Model):
    """Going down waits: `{after: 90 days}`."""

    after: Span


def _downgrade(value: object) -> object:
    if isinstance(value, str) and value not in {"at_once", "never"}:
        near = did_you_mean(value, ("at_once", "never"))
        raise wrong("bad_downgrade", f"expected at_once, never or {{after: 90 days}}, got {value!r}{near}")
    if isinstance(value, dict):
        return After.model_validate(value)
    return value


Downgrade = Annotated[Literal["at_once", "never"] | After, BeforeValidator(_downgrade)]


class Level(Model):
    """One step of a tier."""

    tag: TagText
    when: When


class TierGroup(Named):
    """Tags that exclude each other: the first level from the top that matches wins."""

    owns: Owns = "all"  # exclusive means exclusive
    when_gone: WhenGone = "leave"
    downgrade: Downgrade = "at_once"
    levels: tuple[Level, ...] = Field(min_length=1, max_length=MAX_LEVELS)

    @property
    def downgrade_days(self) -> int:
        """0 for at_once, FOREVER for never, or the days that a level stays after it is lost."""
        if isinstance(self.downgrade, After):
            return read_span(self.downgrade.after) or 0
        return FOREVER if self.downgrade == "never" else 0

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(level.tag for level in self.levels)

    @property
    def trees(self) -> tuple[Tree, ...]:
        return tuple(level.when for level in self.levels)


class RuleSet(Model):
    """A whole document. `version` is the version of this language, not of the rules.

    Its parts are valid each by itself. Whether they are consistent is for the parser to check.
    """

    version: Literal[1] = 1
    timezone: Zone = "Asia/Ho_Chi_Minh"
    currency: Currency = "VND"
    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)
    tiers: tuple[TierGroup, ...] = Field(default=(), max_length=MAX_TIERS)

    @property
    def all(self) -> tuple[Rule | TierGroup, ...]:
        """Rules and tiers, live or not, in the document's order."""
        return (*self.rules, *self.tiers)
