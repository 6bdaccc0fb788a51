"""How far a customer is from a condition: how much is missing, how many days are left, which tags are in the way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

import msgspec

from service.domain.customers import fold
from service.domain.engine import CompiledCondition, Facts
from service.domain.rules import FieldType

GapKind = Literal["lacks", "exceeds", "wait", "lacks_tags", "lacks_any_tag", "exceeds_tags"]


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """What must change until a condition's answer is the one that is needed.

    `lacks`: the value is too low by `amount` (money in ten-thousandths, dates in days). `exceeds`: too high.
    `wait`: time alone brings it, in `amount` days, on the day `on` (ISO). The others name `tags`.
    """

    way: GapKind
    amount: int = 0
    on: str = ""
    tags: tuple[str, ...] = ()


def gap_to(
    test: CompiledCondition,
    facts: Facts,
    *,
    needed: bool = True,
    own: frozenset[str] = frozenset(),
    spelled: Mapping[str, str] | None = None,
) -> Gap | None:
    """The distance of one comparison; None when its answer is the needed one, or nothing can be counted.

    `own`: the folded tags that the asking rule sets itself. `spelled`: folded tag -> the record's spelling.
    """
    if test.matches(facts) is needed:
        return None
    on = test.next_change(facts) if test.next_change is not None else None
    if on is not None:
        return Gap("wait", on - facts.day.ordinal, date.fromordinal(on).isoformat())
    if test.field.type is FieldType.TAGS:
        return _of_tags(test, facts, needed=needed, own=own, spelled=spelled or {})
    return _of_number(test, facts, needed=needed)


def _of_number(test: CompiledCondition, facts: Facts, *, needed: bool) -> Gap | None:
    value, interval = getattr(facts, test.field.fact_names[0]), test.operator.interval
    if interval is None or value is None:
        return None
    low, high = interval(test.value, facts.day.ordinal)
    if needed is test.operator.is_negative:
        steps = _steps_out(value, low, high)
    else:
        steps = [end - value for end in (low, high) if end is not None]
    if not steps:
        return None
    nearest = min(steps, key=abs)
    return Gap("lacks", nearest) if nearest > 0 else Gap("exceeds", -nearest)


def _steps_out(value: int, low: int | None, high: int | None) -> list[int]:
    """By how much a value in the interval must change to leave it; none where it only has to differ from one number."""
    if low == high:
        return []
    return [
        *([low - 1 - value] if low is not None else ()),
        *([high + 1 - value] if high is not None else ()),
    ]


def _of_tags(
    test: CompiledCondition, facts: Facts, *, needed: bool, own: frozenset[str], spelled: Mapping[str, str]
) -> Gap | None:
    asked = tuple(map(str, test.expression.value)) if isinstance(test.expression.value, tuple) else ()
    there = tuple(tag for tag in asked if fold(tag) in facts.tags)
    absent = tuple(tag for tag in asked if fold(tag) not in facts.tags)
    others = tuple(sorted(spelled.get(key, key) for key in facts.tags - own))
    found: dict[tuple[str, bool], tuple[GapKind, tuple[str, ...]]] = {
        ("has_any", True): ("lacks_any_tag", asked),
        ("has_any", False): ("exceeds_tags", there),
        ("has_all", True): ("lacks_tags", absent),
        ("has_all", False): ("exceeds_tags", there),
        ("has_none", True): ("exceeds_tags", there),
        ("has_none", False): ("lacks_any_tag", asked),
        ("is_empty", True): ("exceeds_tags", others),
        ("is_not_empty", False): ("exceeds_tags", others),
    }
    way, tags = found.get((test.operator.name, needed), ("lacks_tags", ()))
    return Gap(way, tags=tags) if tags else None
