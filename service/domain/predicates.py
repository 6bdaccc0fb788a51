"""The tests behind the operators: each takes a way to read a fact and a value, and makes a closure.

Two-valued: a positive test of an empty value is false, its negative twin is the exact complement.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from service.domain.days import next_anniversary
from service.domain.facts import Facts

Predicate = Callable[[Facts], bool]
Getter = Callable[[Facts], Any]  # the attribute's type follows from the field's kind, checked by the table
Make = Callable[[Getter, Any], Predicate]


def at_least(get: Getter, low: int) -> Predicate:
    return lambda facts: (value := get(facts)) is not None and value >= low


def more_than(get: Getter, low: int) -> Predicate:
    return lambda facts: (value := get(facts)) is not None and value > low


def at_most(get: Getter, high: int) -> Predicate:
    return lambda facts: (value := get(facts)) is not None and value <= high


def less_than(get: Getter, high: int) -> Predicate:
    return lambda facts: (value := get(facts)) is not None and value < high


def between(get: Getter, ends: tuple[int, int]) -> Predicate:
    low, high = ends
    return lambda facts: (value := get(facts)) is not None and low <= value <= high


def equals(get: Getter, wanted: object) -> Predicate:
    return lambda facts: get(facts) == wanted


def differs(get: Getter, wanted: object) -> Predicate:
    return lambda facts: get(facts) != wanted


def flag_is(get: Getter, wanted: bool) -> Predicate:
    return lambda facts: get(facts) is wanted


def is_in(get: Getter, wanted: frozenset[object]) -> Predicate:
    return lambda facts: get(facts) in wanted


def is_not_in(get: Getter, wanted: frozenset[object]) -> Predicate:
    return lambda facts: get(facts) not in wanted


def empty(get: Getter, _: object) -> Predicate:
    return lambda facts: get(facts) is None


def not_empty(get: Getter, _: object) -> Predicate:
    return lambda facts: get(facts) is not None


def contains(get: Getter, part: str) -> Predicate:
    return lambda facts: (text := get(facts)) is not None and part in text


def not_contains(get: Getter, part: str) -> Predicate:
    return lambda facts: (text := get(facts)) is None or part not in text


def starts_with(get: Getter, part: str) -> Predicate:
    return lambda facts: (text := get(facts)) is not None and text.startswith(part)


def ends_with(get: Getter, part: str) -> Predicate:
    return lambda facts: (text := get(facts)) is not None and text.endswith(part)


def within_last(get: Getter, days: int) -> Predicate:
    return lambda facts: (on := get(facts)) is not None and on >= facts.day.ordinal - days


def more_than_ago(get: Getter, days: int) -> Predicate:
    return lambda facts: (on := get(facts)) is not None and on < facts.day.ordinal - days


def this_month(get: Getter, _: object) -> Predicate:
    return lambda facts: (born := get(facts)) is not None and born.month == facts.day.month


def next_month(get: Getter, _: object) -> Predicate:
    return lambda facts: (born := get(facts)) is not None and born.month == facts.day.next_month


def month_is(get: Getter, month: int) -> Predicate:
    return lambda facts: (born := get(facts)) is not None and born.month == month


def is_today(get: Getter, _: object) -> Predicate:
    return lambda facts: (born := get(facts)) is not None and (born.month, born.day) in facts.day.birthdays


def in_next(get: Getter, days: int) -> Predicate:
    def test(facts: Facts) -> bool:
        born: date | None = get(facts)
        return born is not None and next_anniversary(born, facts.day) - facts.day.ordinal <= days

    return test


def has_any(get: Getter, wanted: frozenset[str]) -> Predicate:
    return lambda facts: not wanted.isdisjoint(get(facts))


def has_none(get: Getter, wanted: frozenset[str]) -> Predicate:
    return lambda facts: wanted.isdisjoint(get(facts))


def has_all(get: Getter, wanted: frozenset[str]) -> Predicate:
    return lambda facts: wanted <= get(facts)


def no_tags(get: Getter, own: frozenset[str]) -> Predicate:
    """`own`: the tags that the asking rule sets itself and so never sees, or it would undo itself."""
    return lambda facts: get(facts) <= own


def some_tags(get: Getter, own: frozenset[str]) -> Predicate:
    return lambda facts: not get(facts) <= own
