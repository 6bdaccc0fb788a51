"""The table of operators: for each type of field, what may be asked and with what value.

Two-valued: a positive test of an empty value is false, its negative twin is the exact complement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.domain.fields import Kind
from service.domain.values import Takes

Interval = tuple[int | None, int | None]  # both ends belong to it; None: no end


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of one type of field: the only place that says what it means.

    `test` is a Python expression (see source.Source): `{fact}` is the name of the field's fact, `{value}` that of the
    operand. `twin` names its exact complement. `flip` is the day on which time alone changes the answer about a fact
    `it` that is not empty (a day that is over or beyond the calendar counts for none).

    `interval`, of numbers and days, gives the interval of an operand on a day (ordinal): the test holds for the values
    in it, or, if the operator `is_negative`, for all others. `matches_empty`: the test holds for an empty fact.
    """

    kind: Kind
    name: str
    takes: Takes
    test: str
    twin: str | None = None
    flip: str | None = None
    interval: Callable[[Any, int], Interval] | None = None
    is_negative: bool = False
    matches_empty: bool = False


_GIVEN: Final = "(it := facts.{fact}) is not None and "


def _positive(
    kind: Kind, name: str, takes: Takes, test: str, interval: Callable[[Any, int], Interval]
) -> Operator:
    """A comparison that does not hold for an empty fact."""
    return Operator(kind, name, takes, _GIVEN + test, interval=interval)


def _twins(
    kind: Kind, names: tuple[str, str], takes: Takes, tests: tuple[str, str], **rest: Any
) -> tuple[Operator, Operator]:
    """A comparison that does not hold for an empty fact, and its exact complement, which does."""
    positive, negative = names
    return (
        Operator(kind, positive, takes, tests[0], negative, **rest),
        Operator(kind, negative, takes, tests[1], positive, is_negative=True, matches_empty=True, **rest),
    )


def _numbers(kind: Kind, one: Takes, two: Takes) -> tuple[Operator, ...]:
    return (
        _positive(kind, "at_least", one, "it >= {value}", lambda n, _: (n, None)),
        _positive(kind, "more_than", one, "it > {value}", lambda n, _: (n + 1, None)),
        _positive(kind, "at_most", one, "it <= {value}", lambda n, _: (None, n)),
        _positive(kind, "less_than", one, "it < {value}", lambda n, _: (None, n - 1)),
        _positive(kind, "between", two, "{value}[0] <= it <= {value}[1]", lambda ends, _: ends),
        *_twins(kind, ("is", "is_not"), one, _SAME, interval=lambda n, _: (n, n)),
        *_emptiness(kind),
    )


def _emptiness(
    kind: Kind, empty: str = "facts.{fact} is None", given: str = "facts.{fact} is not None"
) -> tuple[Operator, ...]:
    return (
        Operator(kind, "is_empty", Takes.NOTHING, empty, "is_not_empty", matches_empty=True),
        Operator(kind, "is_not_empty", Takes.NOTHING, given, "is_empty"),
    )


def _dates() -> tuple[Operator, ...]:
    kind, over = Kind.DATE, "it + {value} + 1"  # a window changes once: on the day after its last
    return (
        Operator(
            kind,
            "within_last",
            Takes.SPAN,
            _GIVEN + "it >= facts.day.ordinal - {value}",
            flip=over,
            interval=lambda days, today: (today - days, None),
        ),
        Operator(
            kind,
            "more_than_ago",
            Takes.SPAN,
            _GIVEN + "it < facts.day.ordinal - {value}",
            flip=over,
            interval=lambda days, today: (None, today - days - 1),
        ),
        _positive(kind, "before", Takes.DAY, "it < {value}", lambda day, _: (None, day - 1)),
        _positive(kind, "after", Takes.DAY, "it > {value}", lambda day, _: (day + 1, None)),
        *_emptiness(kind),
    )


def _anniversaries() -> tuple[Operator, ...]:
    kind = Kind.ANNIVERSARY
    return (
        Operator(
            kind,
            "this_month",
            Takes.NOTHING,
            _GIVEN + "it.month == facts.day.month",
            flip="facts.day.edges[it.month]",
        ),
        Operator(
            kind,
            "next_month",
            Takes.NOTHING,
            _GIVEN + "it.month == facts.day.next_month",
            flip="facts.day.edges[it.month - 1]",
        ),
        Operator(kind, "month_is", Takes.MONTH, _GIVEN + "it.month == {value}"),
        Operator(
            kind,
            "today",
            Takes.NOTHING,
            _GIVEN + "(it.month, it.day) in facts.day.birthdays",
            flip="nearing(it, facts.day, 0)",
        ),
        Operator(
            kind,
            "in_next",
            Takes.SPAN,
            _GIVEN + "next_anniversary(it, facts.day) - facts.day.ordinal <= {value}",
            flip="nearing(it, facts.day, {value})",
        ),
        *_emptiness(kind),
    )


_SAME: Final = ("facts.{fact} == {value}", "facts.{fact} != {value}")
_AMONG: Final = ("facts.{fact} in {value}", "facts.{fact} not in {value}")
_CONTAINS: Final = (_GIVEN + "{value} in it", "(it := facts.{fact}) is None or {value} not in it")
_SHARES: Final = ("not {value}.isdisjoint(facts.{fact})", "{value}.isdisjoint(facts.{fact})")
_ALL: Final = (
    *_numbers(Kind.MONEY, Takes.AMOUNT, Takes.AMOUNTS),
    *_numbers(Kind.INT, Takes.COUNT, Takes.COUNTS),
    *_dates(),
    *_anniversaries(),
    Operator(Kind.BOOL, "is", Takes.FLAG, "facts.{fact} is {value}"),
    *_twins(Kind.CHOICE, ("is", "is_not"), Takes.CHOICE, _AMONG),
    *_twins(Kind.CHOICE, ("in", "not_in"), Takes.CHOICES, _AMONG),
    *_emptiness(Kind.CHOICE),
    *_twins(Kind.TEXT, ("contains", "not_contains"), Takes.TEXT, _CONTAINS),
    Operator(Kind.TEXT, "starts_with", Takes.TEXT, _GIVEN + "it.startswith({value})"),
    Operator(Kind.TEXT, "ends_with", Takes.TEXT, _GIVEN + "it.endswith({value})"),
    *_twins(Kind.TEXT, ("is", "is_not"), Takes.TEXT, _SAME),
    *_emptiness(Kind.TEXT),
    *_twins(Kind.TAGS, ("has_any", "has_none"), Takes.TAGS, _SHARES),
    Operator(Kind.TAGS, "has_all", Takes.TAGS, "{value} <= facts.{fact}"),
    # The operand is the tags that the asking rule sets itself: it sees none of them, or it would undo itself.
    *_emptiness(Kind.TAGS, "facts.{fact} <= {value}", "not facts.{fact} <= {value}"),
)

OPERATORS: Final[Mapping[Kind, Mapping[str, Operator]]] = {
    kind: {operator.name: operator for operator in _ALL if operator.kind is kind} for kind in Kind
}
