"""The table of operators: their meaning and their kind of operand, for each type of field.

The logic has two values. A positive operator is false for an empty fact; its complement is the exact opposite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.domain.rules.fields import FieldType
from service.domain.rules.operands import OperandType

Interval = tuple[int | None, int | None]  # both ends are included; None: no limit


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of one type of field. This table is the only definition of its meaning.

    `template`: the test as a Python expression; `{fact}` stands for the name of the field's fact, `{value}` for the
    name of the operand. `complement`: the name of the operator that is the exact opposite.
    `changes_on`: a Python expression for the day on which the result changes by time alone, for a fact `it` that is
    not empty. A day in the past or beyond the calendar means that the result never changes.
    `interval`: for numbers and dates, the values for which the test is true, by operand and day (an ordinal). If
    `is_negative`, the test is true outside this interval. `matches_empty`: the test is true for an empty fact.
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


_NOT_EMPTY: Final = "(it := facts.{fact}) is not None and "


def _positive(
    field_type: FieldType,
    name: str,
    operand_type: OperandType,
    template: str,
    interval: Callable[[Any, int], Interval],
) -> Operator:
    """An operator that is false for an empty fact."""
    return Operator(field_type, name, operand_type, _NOT_EMPTY + template, interval=interval)


def _complements(
    field_type: FieldType,
    names: tuple[str, str],
    operand_type: OperandType,
    templates: tuple[str, str],
    **rest: Any,
) -> tuple[Operator, Operator]:
    """An operator that is false for an empty fact, and its complement, which is true."""
    positive, negative = names
    return (
        Operator(field_type, positive, operand_type, templates[0], negative, **rest),
        Operator(
            field_type,
            negative,
            operand_type,
            templates[1],
            positive,
            is_negative=True,
            matches_empty=True,
            **rest,
        ),
    )


def _numbers(field_type: FieldType, number: OperandType, pair: OperandType) -> tuple[Operator, ...]:
    return (
        _positive(field_type, "at_least", number, "it >= {value}", lambda n, _: (n, None)),
        _positive(field_type, "more_than", number, "it > {value}", lambda n, _: (n + 1, None)),
        _positive(field_type, "at_most", number, "it <= {value}", lambda n, _: (None, n)),
        _positive(field_type, "less_than", number, "it < {value}", lambda n, _: (None, n - 1)),
        _positive(field_type, "between", pair, "{value}[0] <= it <= {value}[1]", lambda ends, _: ends),
        *_complements(field_type, ("is", "is_not"), number, _EQUAL, interval=lambda n, _: (n, n)),
        *_emptiness(field_type),
    )


def _emptiness(
    field_type: FieldType, empty: str = "facts.{fact} is None", not_empty: str = "facts.{fact} is not None"
) -> tuple[Operator, ...]:
    return (
        Operator(field_type, "is_empty", OperandType.NONE, empty, "is_not_empty", matches_empty=True),
        Operator(field_type, "is_not_empty", OperandType.NONE, not_empty, "is_empty"),
    )


def _dates() -> tuple[Operator, ...]:
    field_type, day_after = FieldType.DATE, "it + {value} + 1"  # the day after the last day of the window
    return (
        Operator(
            field_type,
            "within_last",
            OperandType.DURATION,
            # A date in the future is not within the last days. It will be on its own day.
            _NOT_EMPTY + "facts.day.ordinal - {value} <= it <= facts.day.ordinal",
            changes_on=f"it if it > facts.day.ordinal else {day_after}",
            interval=lambda days, today: (today - days, today),
        ),
        Operator(
            field_type,
            "more_than_ago",
            OperandType.DURATION,
            _NOT_EMPTY + "it < facts.day.ordinal - {value}",
            changes_on=day_after,
            interval=lambda days, today: (None, today - days - 1),
        ),
        _positive(field_type, "before", OperandType.DATE, "it < {value}", lambda day, _: (None, day - 1)),
        _positive(field_type, "after", OperandType.DATE, "it > {value}", lambda day, _: (day + 1, None)),
        *_emptiness(field_type),
    )


def _anniversaries() -> tuple[Operator, ...]:
    field_type = FieldType.ANNIVERSARY
    return (
        Operator(
            field_type,
            "this_month",
            OperandType.NONE,
            _NOT_EMPTY + "it.month == facts.day.month",
            changes_on="facts.day.month_boundaries[it.month]",
        ),
        Operator(
            field_type,
            "next_month",
            OperandType.NONE,
            _NOT_EMPTY + "it.month == facts.day.next_month",
            changes_on="facts.day.month_boundaries[it.month - 1]",
        ),
        Operator(field_type, "month_is", OperandType.MONTH, _NOT_EMPTY + "it.month == {value}"),
        Operator(
            field_type,
            "today",
            OperandType.NONE,
            _NOT_EMPTY + "(it.month, it.day) in facts.day.celebrated",
            changes_on="window_boundary(it, facts.day, 0)",
        ),
        Operator(
            field_type,
            "in_next",
            OperandType.DURATION,
            _NOT_EMPTY + "next_anniversary(it, facts.day) - facts.day.ordinal <= {value}",
            changes_on="window_boundary(it, facts.day, {value})",
        ),
        *_emptiness(field_type),
    )


_EQUAL: Final = ("facts.{fact} == {value}", "facts.{fact} != {value}")
_IN_SET: Final = ("facts.{fact} in {value}", "facts.{fact} not in {value}")
_CONTAINS: Final = (_NOT_EMPTY + "{value} in it", "(it := facts.{fact}) is None or {value} not in it")
_SHARES_TAG: Final = ("not {value}.isdisjoint(facts.{fact})", "{value}.isdisjoint(facts.{fact})")
_ALL: Final = (
    *_numbers(FieldType.MONEY, OperandType.MONEY, OperandType.MONEY_RANGE),
    *_numbers(FieldType.INT, OperandType.INTEGER, OperandType.INTEGER_RANGE),
    *_dates(),
    *_anniversaries(),
    Operator(FieldType.BOOL, "is", OperandType.BOOLEAN, "facts.{fact} is {value}"),
    *_complements(FieldType.CHOICE, ("is", "is_not"), OperandType.CHOICE, _IN_SET),
    *_complements(FieldType.CHOICE, ("in", "not_in"), OperandType.CHOICE_LIST, _IN_SET),
    *_emptiness(FieldType.CHOICE),
    *_complements(FieldType.TEXT, ("contains", "not_contains"), OperandType.TEXT, _CONTAINS),
    Operator(FieldType.TEXT, "starts_with", OperandType.TEXT, _NOT_EMPTY + "it.startswith({value})"),
    Operator(FieldType.TEXT, "ends_with", OperandType.TEXT, _NOT_EMPTY + "it.endswith({value})"),
    *_complements(FieldType.TEXT, ("is", "is_not"), OperandType.TEXT, _EQUAL),
    *_emptiness(FieldType.TEXT),
    *_complements(FieldType.TAGS, ("has_any", "has_none"), OperandType.TAG_LIST, _SHARES_TAG),
    Operator(FieldType.TAGS, "has_all", OperandType.TAG_LIST, "{value} <= facts.{fact}"),
    # The operand is the set of the rule's own tags. It ignores them, or it would undo itself.
    *_emptiness(FieldType.TAGS, "facts.{fact} <= {value}", "not facts.{fact} <= {value}"),
)

OPERATORS: Final[Mapping[FieldType, Mapping[str, Operator]]] = {
    field_type: {operator.name: operator for operator in _ALL if operator.field_type is field_type}
    for field_type in FieldType
}

# A word that authors write for an operator -> the operators that they may mean; the first that the field has counts.
OPERATOR_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys((">=", "gte", "ge", "min", "from"), ("at_least", "after", "within_last")),
    **dict.fromkeys((">", "gt", "greater_than", "more", "above", "over"), ("more_than", "after")),
    **dict.fromkeys(("<=", "lte", "le", "max", "up_to"), ("at_most", "before")),
    **dict.fromkeys(("<", "lt", "less", "below", "under", "fewer_than"), ("less_than", "before")),
    **dict.fromkeys(("=", "==", "eq", "equal", "equals"), ("is", "has_any", "month_is")),
    **dict.fromkeys(("!=", "<>", "ne", "not", "not_equal", "not_equals"), ("is_not", "has_none")),
    **dict.fromkeys(
        ("is", "in", "any", "has", "contains", "includes", "one_of", "any_of"),
        ("in", "has_any", "contains", "is"),
    ),
    **dict.fromkeys(("all", "all_of", "contains_all"), ("has_all",)),
    **dict.fromkeys(
        ("is_not", "not_in", "none", "none_of", "has_not", "not_has", "not_contains", "excludes"),
        ("not_in", "has_none", "not_contains", "is_not"),
    ),
    **dict.fromkeys(("has_any", "has_all"), ("in", "is", "contains")),
    **dict.fromkeys(("has_none",), ("not_in", "is_not", "not_contains")),
    **dict.fromkeys(
        ("less_than_ago", "less_than", "at_most", "in_last", "within", "last", "newer_than", "since"),
        ("within_last", "in_next"),
    ),
    **dict.fromkeys(("more_than", "at_least", "older_than", "ago", "not_within_last"), ("more_than_ago",)),
    **dict.fromkeys(("within_next", "next", "within_last", "in_days"), ("in_next",)),
    **dict.fromkeys(("month", "in_month"), ("month_is",)),
    **dict.fromkeys(("is_today",), ("today",)),
    **dict.fromkeys(("is_null", "null", "empty", "blank", "missing", "not_exists"), ("is_empty",)),
    **dict.fromkeys(
        ("is_not_null", "not_null", "not_empty", "exists", "is_set", "is_known"), ("is_not_empty",)
    ),
    **dict.fromkeys(("begins_with", "prefix"), ("starts_with",)),
    **dict.fromkeys(("suffix",), ("ends_with",)),
    **dict.fromkeys(("range", "in_range"), ("between",)),
}
