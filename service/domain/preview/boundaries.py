"""Sample facts for conditions: values around every boundary, so that each answer that conditions can give is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import combinations, islice, product
from typing import Any, Final

from service.domain.customers import fold
from service.domain.engine import CompiledCondition, CompiledExpression, Facts
from service.domain.rules import FIELDS, Day, FieldType, make_day

MAX_FACTS: Final = 4_000
MAX_TAGS: Final = 7
OTHER: Final = "￿ other"  # a text, choice or tag that no condition names


def iter_leaves(expression: CompiledExpression) -> Iterator[CompiledCondition]:
    """Yield all conditions of a compiled expression."""
    if isinstance(expression, CompiledCondition):
        yield expression
    else:
        for part in expression.parts:
            yield from iter_leaves(part)


def boundary_facts(expressions: Iterable[CompiledExpression], *, today: int) -> list[Facts] | None:
    """Return facts that together give every possible answer, or None if there are more than MAX_FACTS.

    Fields vary independently, which includes combinations that no customer can have. So if no facts match, no
    customer does.
    """
    by_field: dict[str, list[CompiledCondition]] = {}
    for expression in expressions:
        for leaf in iter_leaves(expression):
            by_field.setdefault(leaf.field.name, []).append(leaf)
    day = make_day(today)
    values = {field: _values(field, conditions, day) for field, conditions in by_field.items()}
    size = 1
    for field_values in values.values():
        size *= len(field_values)
    if size > MAX_FACTS:
        return None
    return [_facts(day, dict(zip(values, row, strict=True))) for row in product(*values.values())]


def _facts(day: Day, row: dict[str, Any]) -> Facts:
    facts = Facts(day, frozenset(row.pop("tags", ())))
    for field, value in row.items():
        names = FIELDS[field].fact_names
        for name, fact in zip(names, value if len(names) > 1 else (value,), strict=True):
            setattr(facts, name, fact)
    return facts


def _values(field: str, conditions: Sequence[CompiledCondition], day: Day) -> list[Any]:
    """Return None and the values around each operand. A field of two facts has every pair of values."""
    field_type = FIELDS[field].type
    if field_type is FieldType.TAGS:
        return _tag_sets(conditions)
    values: set[Any] = {None}
    for condition in conditions:
        values |= _AROUND[field_type](condition, day)
    if field_type is FieldType.TEXT:
        values |= _joined_texts(conditions)
    ordered = sorted(values, key=lambda value: (value is not None, str(value)))
    return ordered if len(FIELDS[field].fact_names) == 1 else [*product(ordered, repeat=2)]


def _around_number(condition: CompiledCondition, day: Day) -> set[Any]:
    return {0, *_around_interval(condition, day)}


def _around_day(condition: CompiledCondition, day: Day) -> set[Any]:
    return {day.ordinal, *_around_interval(condition, day)}


def _around_interval(condition: CompiledCondition, day: Day) -> set[int]:
    """Return the values on both sides of both ends: the answer changes nowhere else."""
    if condition.operator.interval is None:
        return set()
    low, high = condition.operator.interval(condition.value, day.ordinal)
    values = set() if low is None else {low - 1, low}
    return values if high is None else values | {high, high + 1}


def _around_birthday(_: CompiledCondition, day: Day) -> set[Any]:
    today = date.fromordinal(day.ordinal).replace(year=1992)
    near = {today + timedelta(days=ahead) for ahead in (0, 1, 7, 31, 62)}
    return near | {date(1990, month, 1) for month in range(1, 13)}


def _around_choice(condition: CompiledCondition, _: Day) -> set[Any]:
    named = condition.value if isinstance(condition.value, frozenset) else frozenset[str]()
    return {*named, 9 if condition.field.name == "gender" else OTHER}


def _around_text(condition: CompiledCondition, _: Day) -> set[Any]:
    return {OTHER, condition.value} if isinstance(condition.value, str) else {OTHER}


def _joined_texts(conditions: Sequence[CompiledCondition]) -> set[Any]:
    """Return texts that can match several conditions at once: a start, the parts in between, an end."""
    starts = [str(condition.value) for condition in conditions if condition.operator.name == "starts_with"]
    ends = [str(condition.value) for condition in conditions if condition.operator.name == "ends_with"]
    parts = [str(condition.value) for condition in conditions if condition.operator.name == "contains"]
    middles = {"~", *parts, "~".join(parts)}
    return {f"{start}{middle}{end}" for start in ("", *starts) for middle in middles for end in ("", *ends)}


def _tag_sets(conditions: Sequence[CompiledCondition]) -> list[frozenset[str]]:
    """Return every combination of the named tags, and another tag alone; more than MAX_FACTS for too many tags."""
    named = sorted(
        {
            fold(str(tag))
            for condition in conditions
            if isinstance(condition.expression.value, tuple)
            for tag in condition.expression.value
        }
    )
    if len(named) > MAX_TAGS:
        return [frozenset()] * (MAX_FACTS + 1)
    sets = [frozenset(tags) for size in range(len(named) + 1) for tags in combinations(named, size)]
    return [*sets, *(tags | {OTHER} for tags in islice(sets, 1))]


_AROUND: Final = {
    FieldType.MONEY: _around_number,
    FieldType.INT: _around_number,
    FieldType.DATE: _around_day,
    FieldType.ANNIVERSARY: _around_birthday,
    FieldType.BOOL: lambda _, __: {True, False},
    FieldType.CHOICE: _around_choice,
    FieldType.TEXT: _around_text,
}
