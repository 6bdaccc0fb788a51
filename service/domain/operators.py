"""The table of operators: for each type of field, what may be asked and with what value.

Two-valued: a positive test of an empty value is false, its negative twin is the exact complement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.domain.fields import Kind
from service.domain.values import Takes


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of one type of field.

    `test` is a Python expression (see source.Source): `{fact}` is the name of the field's fact, `{value}` that of the
    value compared with. `twin` names its exact complement. `flip` is the day on which time alone changes the answer
    about a fact `it` that is not empty (a day that is over or beyond the calendar counts for none), `turns` tells the
    ages at which a comparison of ages changes.
    """

    kind: Kind
    name: str
    takes: Takes
    test: str
    twin: str | None = None
    flip: str | None = None
    turns: Callable[[Any], tuple[int, ...]] | None = None


_GIVEN: Final = "(it := facts.{fact}) is not None and "


def _numbers(kind: Kind, one: Takes, two: Takes) -> tuple[Operator, ...]:
    return (
        Operator(kind, "at_least", one, _GIVEN + "it >= {value}", turns=lambda n: (n,)),
        Operator(kind, "more_than", one, _GIVEN + "it > {value}", turns=lambda n: (n + 1,)),
        Operator(kind, "at_most", one, _GIVEN + "it <= {value}", turns=lambda n: (n + 1,)),
        Operator(kind, "less_than", one, _GIVEN + "it < {value}", turns=lambda n: (n,)),
        Operator(
            kind,
            "between",
            two,
            _GIVEN + "{value}[0] <= it <= {value}[1]",
            turns=lambda ends: (ends[0], ends[1] + 1),
        ),
        Operator(kind, "is", one, "facts.{fact} == {value}", "is_not", turns=lambda n: (n, n + 1)),
        Operator(kind, "is_not", one, "facts.{fact} != {value}", "is", turns=lambda n: (n, n + 1)),
        *_emptiness(kind),
    )


def _emptiness(kind: Kind) -> tuple[Operator, ...]:
    return (
        Operator(kind, "is_empty", Takes.NOTHING, "facts.{fact} is None", "is_not_empty"),
        Operator(kind, "is_not_empty", Takes.NOTHING, "facts.{fact} is not None", "is_empty"),
    )


def _dates() -> tuple[Operator, ...]:
    kind, over = Kind.DATE, "it + {value} + 1"  # a window changes once: on the day after its last
    return (
        Operator(kind, "within_last", Takes.SPAN, _GIVEN + "it >= facts.day.ordinal - {value}", flip=over),
        Operator(kind, "more_than_ago", Takes.SPAN, _GIVEN + "it < facts.day.ordinal - {value}", flip=over),
        Operator(kind, "before", Takes.DAY, _GIVEN + "it < {value}"),
        Operator(kind, "after", Takes.DAY, _GIVEN + "it > {value}"),
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


_ALL: Final = (
    *_numbers(Kind.MONEY, Takes.AMOUNT, Takes.AMOUNTS),
    *_numbers(Kind.INT, Takes.COUNT, Takes.COUNTS),
    *_dates(),
    *_anniversaries(),
    Operator(Kind.BOOL, "is", Takes.FLAG, "facts.{fact} is {value}"),
    Operator(Kind.CHOICE, "is", Takes.CHOICE, "facts.{fact} in {value}", "is_not"),
    Operator(Kind.CHOICE, "is_not", Takes.CHOICE, "facts.{fact} not in {value}", "is"),
    Operator(Kind.CHOICE, "in", Takes.CHOICES, "facts.{fact} in {value}", "not_in"),
    Operator(Kind.CHOICE, "not_in", Takes.CHOICES, "facts.{fact} not in {value}", "in"),
    *_emptiness(Kind.CHOICE),
    Operator(Kind.TEXT, "contains", Takes.TEXT, _GIVEN + "{value} in it", "not_contains"),
    Operator(
        Kind.TEXT, "not_contains", Takes.TEXT, "(it := facts.{fact}) is None or {value} not in it", "contains"
    ),
    Operator(Kind.TEXT, "starts_with", Takes.TEXT, _GIVEN + "it.startswith({value})"),
    Operator(Kind.TEXT, "ends_with", Takes.TEXT, _GIVEN + "it.endswith({value})"),
    Operator(Kind.TEXT, "is", Takes.TEXT, "facts.{fact} == {value}", "is_not"),
    Operator(Kind.TEXT, "is_not", Takes.TEXT, "facts.{fact} != {value}", "is"),
    *_emptiness(Kind.TEXT),
    Operator(Kind.TAGS, "has_any", Takes.TAGS, "not {value}.isdisjoint(facts.{fact})", "has_none"),
    Operator(Kind.TAGS, "has_all", Takes.TAGS, "{value} <= facts.{fact}"),
    Operator(Kind.TAGS, "has_none", Takes.TAGS, "{value}.isdisjoint(facts.{fact})", "has_any"),
    # Of the tags that the asking rule sets itself it sees none, or it would undo itself.
    Operator(Kind.TAGS, "is_empty", Takes.NOTHING, "facts.{fact} <= {value}", "is_not_empty"),
    Operator(Kind.TAGS, "is_not_empty", Takes.NOTHING, "not facts.{fact} <= {value}", "is_empty"),
)

OPERATORS: Final[Mapping[Kind, Mapping[str, Operator]]] = {
    kind: {operator.name: operator for operator in _ALL if operator.kind is kind} for kind in Kind
}
