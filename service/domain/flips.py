"""When a date condition changes its answer by itself: the earliest later day, or None for never."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from service.domain.days import LAST_DAY, Day, anniversary, first_of, next_anniversary
from service.domain.facts import Facts
from service.domain.predicates import Getter

Flip = Callable[[Facts], int | None]
MakeFlip = Callable[[Getter, Any], Flip]


def window(get: Getter, days: int) -> Flip:
    """`within_last` and `more_than_ago` change once: on the day after the window's last."""

    def flip(facts: Facts) -> int | None:
        on: int | None = get(facts)
        return None if on is None else _later(on + days + 1, facts.day)

    return flip


def this_month(get: Getter, _: object) -> Flip:
    """The first of the birth month, or of the month after it while it lasts."""

    def flip(facts: Facts) -> int | None:
        born: date | None = get(facts)
        if born is None:
            return None
        today = facts.day
        return _later(
            today.next_first if born.month == today.month else first_of(born.month, today.ordinal), today
        )

    return flip


def next_month(get: Getter, _: object) -> Flip:
    """The first of the month before the birth month, or the first of the birth month itself."""

    def flip(facts: Facts) -> int | None:
        born: date | None = get(facts)
        if born is None:
            return None
        today = facts.day
        before = (born.month - 2) % 12 + 1
        return _later(today.next_first if before == today.month else first_of(before, today.ordinal), today)

    return flip


def is_today(get: Getter, _: object) -> Flip:
    """Tomorrow for those who celebrate today, else their next anniversary."""
    return in_next(get, 0)


def in_next(get: Getter, days: int) -> Flip:
    """The day after the anniversary while it is near, else the day on which it comes near."""

    def flip(facts: Facts) -> int | None:
        born: date | None = get(facts)
        if born is None:
            return None
        coming = next_anniversary(born, facts.day)
        near = coming - facts.day.ordinal <= days
        return _later(coming + 1 if near else coming - days, facts.day)

    return flip


def age_reached(years: Callable[[Any], tuple[int, ...]]) -> MakeFlip:
    """The first later birthday on which one of the ages is reached."""

    def make(get: Getter, value: Any) -> Flip:
        turning = years(value)

        def flip(facts: Facts) -> int | None:
            born = facts.birthday
            if born is None:
                return None
            days = [anniversary(born, born.year + age) for age in turning if 0 < age <= 9999 - born.year]
            return min((on for on in days if facts.day.ordinal < on <= LAST_DAY), default=None)

        return flip

    return make


def _later(on: int, today: Day) -> int | None:
    return on if today.ordinal < on <= LAST_DAY else None
