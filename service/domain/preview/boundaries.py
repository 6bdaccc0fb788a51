"""Made-up facts that try a set of conditions out: around every value that they compare with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import combinations, islice, product
from typing import Any, Final

from service.domain.customers import fold
from service.domain.engine import CompiledCondition, CompiledExpression, Facts
from service.domain.rules import FIELDS, Day, FieldType, make_day

MAX_FACTS: Final = 4_000  # facts in one trial; beyond it we rather say nothing
MAX_TAGS: Final = 7
OTHER_CHOICE: Final = "￿ other"  # a text, choice or tag that no condition names


def iter_leaves(branch: CompiledExpression) -> Iterator[CompiledCondition]:
    """All comparisons of a compiled tree."""
    if isinstance(branch, CompiledCondition):
        yield branch
    else:
        for part in branch.parts:
            yield from iter_leaves(part)


def boundary_facts(branches: Iterable[CompiledExpression], *, today: int) -> list[Facts] | None:
    """Facts in which every answer that these trees can give is given; None when that would be too many.

    Fields are taken as independent of one another, which tries more than there can be: so "never" is certain.
    """
    asked: dict[str, list[CompiledCondition]] = {}
    for branch in branches:
        for leaf in iter_leaves(branch):
            asked.setdefault(leaf.field.name, []).append(leaf)
    now = make_day(today)
    values = {name: _values(name, tests, now) for name, tests in asked.items()}
    size = 1
    for each in values.values():
        size *= len(each)
    if size > MAX_FACTS:
        return None
    return [_facts(now, dict(zip(values, row, strict=True))) for row in product(*values.values())]


def _facts(now: Day, row: dict[str, Any]) -> Facts:
    facts = Facts(now, frozenset(row.pop("tags", ())))
    for name, value in row.items():
        attributes = FIELDS[name].fact_names
        for attribute, each in zip(attributes, value if len(attributes) > 1 else (value,), strict=True):
            setattr(facts, attribute, each)
    return facts


def _values(name: str, tests: Sequence[CompiledCondition], now: Day) -> list[Any]:
    """Values of one field: empty, and around each that is compared with."""
    kind = FIELDS[name].type
    if kind is FieldType.TAGS:
        return _tag_sets(tests)
    found: set[Any] = {None}
    for test in tests:
        found |= _AROUND[kind](test, now)
    if kind is FieldType.TEXT:
        found |= _joined(tests)
    ordered = sorted(found, key=lambda value: (value is not None, str(value)))
    return ordered if len(FIELDS[name].fact_names) == 1 else [*product(ordered, repeat=2)]


def _around_number(test: CompiledCondition, now: Day) -> set[Any]:
    return {0, *_around_interval(test, now)}


def _around_day(test: CompiledCondition, now: Day) -> set[Any]:
    return {now.ordinal, *_around_interval(test, now)}


def _around_interval(test: CompiledCondition, now: Day) -> set[int]:
    """The values on both sides of both ends: the answer changes nowhere else."""
    if test.operator.interval is None:
        return set()
    low, high = test.operator.interval(test.value, now.ordinal)
    below = set() if low is None else {low - 1, low}
    return below if high is None else below | {high, high + 1}


def _around_birthday(_: CompiledCondition, now: Day) -> set[Any]:
    first = date(1990, 1, 1)
    today = date.fromordinal(now.ordinal)
    near = {today.replace(year=1992) + timedelta(days=ahead) for ahead in (0, 1, 7, 31, 62)}
    return near | {first.replace(month=month) for month in range(1, 13)}


def _around_choice(test: CompiledCondition, _: Day) -> set[Any]:
    named = test.value if isinstance(test.value, frozenset) else frozenset[str]()
    return {*named, 9 if test.field.name == "gender" else OTHER_CHOICE}


def _around_text(test: CompiledCondition, _: Day) -> set[Any]:
    return {OTHER_CHOICE, test.value} if isinstance(test.value, str) else {OTHER_CHOICE}


def _joined(tests: Sequence[CompiledCondition]) -> set[Any]:
    """Texts that satisfy several at once: a start, parts in between, an end."""
    starts = [str(test.value) for test in tests if test.operator.name == "starts_with"]
    ends = [str(test.value) for test in tests if test.operator.name == "ends_with"]
    parts = [str(test.value) for test in tests if test.operator.name == "contains"]
    middles = {"~", *parts, "~".join(parts)}
    return {f"{start}{middle}{end}" for start in ("", *starts) for middle in middles for end in ("", *ends)}


def _tag_sets(tests: Sequence[CompiledCondition]) -> list[frozenset[str]]:
    """Every combination of the tags that are named, for so long as they are few, with another tag and without."""
    named = sorted(
        {
            fold(str(tag))
            for test in tests
            if isinstance(test.expression.value, tuple)
            for tag in test.expression.value
        }
    )
    if len(named) > MAX_TAGS:
        return [frozenset()] * (MAX_FACTS + 1)
    some = [frozenset(each) for size in range(len(named) + 1) for each in combinations(named, size)]
    return [*some, *(each | {OTHER_CHOICE} for each in islice(some, 1))]


_AROUND: Final = {
    FieldType.MONEY: _around_number,
    FieldType.INT: _around_number,
    FieldType.DATE: _around_day,
    FieldType.ANNIVERSARY: _around_birthday,
    FieldType.BOOL: lambda _, __: {True, False},
    FieldType.CHOICE: _around_choice,
    FieldType.TEXT: _around_text,
}
