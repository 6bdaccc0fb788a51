"""The shop at Haravan: the customer's record, who set the tag, and what lists show."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.model.store import Digest

ABSENT: Final = 0
OURS: Final = 1
BY_HAND: Final = 2
EITHER: Final = 3  # set by hand while an addition of ours was in flight: its owner is unknown

LACKING: Final = 2  # the value of a record that lacks the field which the rule reads


class Seen(NamedTuple):
    """A record as a list shows it."""

    value: int
    tagged: bool
    at: int

    @property
    def digest(self) -> Digest:
        return self.value, self.tagged


class Shop(NamedTuple):
    """One customer's record. `at` is its `updated_at`, which only counts in scopes where lists lag."""

    value: int = 0
    tag: int = ABSENT
    at: int = 0
    day: int = 0
    lagging: Seen | None = None
    gone: bool = False
    missed: bool = False  # the last settled read was a wrong 404

    @property
    def record(self) -> Seen:
        return Seen(self.value, self.tag != ABSENT, self.at)

    @property
    def listed(self) -> Seen:
        return self.lagging or self.record


class Body(NamedTuple):
    """The body of a webhook in flight. A deletion has no digest, nor has a body that lacks a field."""

    digest: Digest | None
    at: int


def wanted(*, value: int, version: int, day: int) -> bool | None:
    """The rule. Even versions want the tag while the value is 1, until midnight; odd versions want the opposite.

    None: the record lacks the value, so nothing is decided.
    """
    return None if value == LACKING else (value == 1 and day == 0) != (version % 2 == 1)


def flips(*, value: int, day: int) -> bool:
    """Whether the rule's result changes at midnight."""
    return value == 1 and day == 0
