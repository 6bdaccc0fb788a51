"""The truth at Haravan: the customer's record, who put the tag there, and what lists show of it."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.model.store import Digest

ABSENT: Final = 0
OURS: Final = 1
BY_HAND: Final = 2
EITHER: Final = 3  # set by hand while an addition of ours was on its way: nobody can tell whose it is


class Seen(NamedTuple):
    """A record as a list shows it."""

    value: int
    tagged: bool
    at: int

    @property
    def digest(self) -> Digest:
        return self.value, self.tagged


class Shop(NamedTuple):
    """One customer's record. `at` is its `updated_at`, and is counted only where lists may lag."""

    value: int = 0
    tag: int = ABSENT
    at: int = 0
    day: int = 0
    lagging: Seen | None = None
    gone: bool = False
    missed: bool = False  # the last look that was settled was a 404, although the customer is there

    @property
    def record(self) -> Seen:
        return Seen(self.value, self.tag != ABSENT, self.at)

    @property
    def listed(self) -> Seen:
        return self.lagging or self.record


class Body(NamedTuple):
    """A webhook on its way; a deletion has no fields to compare."""

    digest: Digest | None
    at: int


def wanted(*, value: int, version: int, day: int) -> bool:
    """The rule: the first version wants the tag while the value is 1 and until midnight, the next the opposite."""
    return (value == 1 and day == 0) != (version % 2 == 1)


def flips(*, value: int, day: int) -> bool:
    """Whether the rule's answer changes at midnight by itself."""
    return value == 1 and day == 0
