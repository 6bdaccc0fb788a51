"""The table of operators: for each type of field, what may be asked and with what value.

Two-valued: a positive test of an empty value is false, its negative twin is the exact complement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.domain.rules.fields import FieldType
from service.domain.rules.operands import OperandType

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

    field_type: FieldType
    name: str
    operand_type: OperandType
    template: str
    complement: str | None = None
    changes_on: str | None = None
    interval: Callable[[Any, int], Interval] | None = None
    is_negative: bool = False
    matches_empty: bool = False


_GIVEN: Final = "(it := facts.{fact}) is not None and "


def _positive(
    kind: FieldType, name: str, takes: OperandType, test: str, interval: Callable[[Any, int], Interval]
) -> Operator:
    """A comparison that does not hold for an empty fact."""
    return Operator(kind, name, takes, _GIVEN + test, interval=interval)


def _twins(
    kind: FieldType, names: tuple[str, str], takes: OperandType, tests: tuple[str, str], **rest: Any
) -> tuple[Operator, Operator]:
    """A comparison that does not hold for an empty fact, and its exact complement, which does."""
    positive, negative = names
    return (
        Operator(kind, positive, takes, tests[0], negative, **rest),
        Operator(kind, negative, takes, tests[1], positive, is_negative=True, matches_empty=True, **rest),
    )


def _numbers(kind: FieldType, one: OperandType, two: OperandType) -> tuple[Operator, ...]:
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
    kind: FieldType, empty: str = "facts.{fact} is None", given: str = "facts.{fact} is not None"
) -> tuple[Operator, ...]:
    return (
        Operator(kind, "is_empty", OperandType.NONE, empty, "is_not_empty", matches_empty=True),
        Operator(kind, "is_not_empty", OperandType.NONE, given, "is_empty"),
    )


def _dates() -> tuple[Operator, ...]:
    kind, over = FieldType.DATE, "it + {value} + 1"  # a window changes once: on the day after its last
    return (
        Operator(
            kind,
            "within_last",
            OperandType.DURATION,
            _GIVEN + "it >= facts.day.ordinal - {value}",
            changes_on=over,
            interval=lambda days, today: (today - days, None),
        ),
        Operator(
            kind,
            "more_than_ago",
            OperandType.DURATION,
            _GIVEN + "it < facts.day.ordinal - {value}",
            changes_on=over,
            interval=lambda days, today: (None, today - days - 1),
        ),
        _positive(kind, "before", OperandType.DATE, "it < {value}", lambda day, _: (None, day - 1)),
        _positive(kind, "after", OperandType.DATE, "it > {value}", lambda day, _: (day + 1, None)),
        *_emptiness(kind),
    )


def _anniversaries() -> tuple[Operator, ...]:
    kind = FieldType.ANNIVERSARY
    return (
        Operator(
            kind,
            "this_month",
            OperandType.NONE,
            _GIVEN + "it.month == facts.day.month",
            changes_on="facts.day.month_boundaries[it.month]",
        ),
        Operator(
            kind,
            "next_month",
            OperandType.NONE,
            _GIVEN + "it.month == facts.day.next_month",
            changes_on="facts.day.month_boundaries[it.month - 1]",
        ),
        Operator(kind, "month_is", OperandType.MONTH, _GIVEN + "it.month == {value}"),
        Operator(
            kind,
            "today",
            OperandType.NONE,
            _GIVEN + "(it.month, it.day) in facts.day.celebrated",
            changes_on="window_boundary(it, facts.day, 0)",
        ),
        Operator(
            kind,
            "in_next",
            OperandType.DURATION,
            _GIVEN + "next_anniversary(it, facts.day) - facts.day.ordinal <= {value}",
            changes_on="window_boundary(it, facts.day, {value})",
        ),
        *_emptiness(kind),
    )


_SAME: Final = ("facts.{fact} == {value}", "facts.{fact} != {value}")
_AMONG: Final = ("facts.{fact} in {value}", "facts.{fact} not in {value}")
_CONTAINS: Final = (_GIVEN + "{value} in it", "(it := facts.{fact}) is None or {value} not in it")
_SHARES: Final = ("not {value}.isdisjoint(facts.{fact})", "{value}.isdisjoint(facts.{fact})")
_ALL: Final = (
    *_numbers(FieldType.MONEY, OperandType.MONEY, OperandType.MONEY_RANGE),
    *_numbers(FieldType.INT, OperandType.INTEGER, OperandType.INTEGER_RANGE),
    *_dates(),
    *_anniversaries(),
    Operator(FieldType.BOOL, "is", OperandType.BOOLEAN, "facts.{fact} is {value}"),
    *_twins(FieldType.CHOICE, ("is", "is_not"), OperandType.CHOICE, _AMONG),
    *_twins(FieldType.CHOICE, ("in", "not_in"), OperandType.CHOICE_LIST, _AMONG),
    *_emptiness(FieldType.CHOICE),
    *_twins(FieldType.TEXT, ("contains", "not_contains"), OperandType.TEXT, _CONTAINS),
    Operator(FieldType.TEXT, "starts_with", OperandType.TEXT, _GIVEN + "it.startswith({value})"),
    Operator(FieldType.TEXT, "ends_with", OperandType.TEXT, _GIVEN + "it.endswith({value})"),
    *_twins(FieldType.TEXT, ("is", "is_not"), OperandType.TEXT, _SAME),
    *_emptiness(FieldType.TEXT),
    *_twins(FieldType.TAGS, ("has_any", "has_none"), OperandType.TAG_LIST, _SHARES),
    Operator(FieldType.TAGS, "has_all", OperandType.TAG_LIST, "{value} <= facts.{fact}"),
    # The operand is the tags that the asking rule sets itself: it sees none of them, or it would undo itself.
    *_emptiness(FieldType.TAGS, "facts.{fact} <= {value}", "not facts.{fact} <= {value}"),
)

OPERATORS: Final[Mapping[FieldType, Mapping[str, Operator]]] = {
    field_type: {operator.name: operator for operator in _ALL if operator.field_type is field_type}
    for field_type in FieldType
}
