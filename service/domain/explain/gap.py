"""The gap between a customer and a condition: an amount, a number of days, or the tags that are missing or in the way."""

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
    """The change that gives a condition the required answer.

    - `lacks`: the value is too low by `amount`: money in ten-thousandths, dates in days. `exceeds`: it is too high.
    - `wait`: time alone brings the answer, in `amount` days, on the day `on` (ISO).
    - `lacks_tags`, `lacks_any_tag`, `exceeds_tags`: `tags` names them.
    """

    kind: GapKind = msgspec.field(name="way")
    amount: int = 0
    on: str = ""
    tags: tuple[str, ...] = ()


def gap_to(
    condition: CompiledCondition,
    facts: Facts,
    *,
    required: bool = True,
    own_tags: frozenset[str] = frozenset(),
    spelling: Mapping[str, str] | None = None,
) -> Gap | None:
    """Return the gap, or None if the answer is the required one or nothing can be counted.

    `own_tags`: the folded tags that the condition's rule sets. `spelling`: folded tag -> the record's spelling.
    """
    if condition.matches(facts) is required:
        return None
    on = condition.next_change(facts) if condition.next_change is not None else None
    if on is not None:
        return Gap("wait", on - facts.day.ordinal, date.fromordinal(on).isoformat())
    if condition.field.type is FieldType.TAGS:
        return _tag_gap(condition, facts, required=required, own_tags=own_tags, spelling=spelling or {})
    return _number_gap(condition, facts, required=required)


def _number_gap(condition: CompiledCondition, facts: Facts, *, required: bool) -> Gap | None:
    value, interval = getattr(facts, condition.field.fact_names[0]), condition.operator.interval
    if interval is None or value is None:
        return None
    low, high = interval(condition.value, facts.day.ordinal)
    if required is condition.operator.is_negative:
        steps = _steps_out(value, low, high)
    else:
        steps = [end - value for end in (low, high) if end is not None]
    if not steps:
        return None
    nearest = min(steps, key=abs)
    return Gap("lacks", nearest) if nearest > 0 else Gap("exceeds", -nearest)


def _steps_out(value: int, low: int | None, high: int | None) -> list[int]:
    """Return by how much a value must change to leave the interval.

    The list is empty if the value only has to differ from one number: neither direction is nearer.
    """
    if low == high:
        return []
    return [
        *([low - 1 - value] if low is not None else ()),
        *([high + 1 - value] if high is not None else ()),
    ]


def _tag_gap(
    condition: CompiledCondition,
    facts: Facts,
    *,
    required: bool,
    own_tags: frozenset[str],
    spelling: Mapping[str, str],
) -> Gap | None:
    authored = condition.expression.value
    named = tuple(map(str, authored)) if isinstance(authored, tuple) else ()
    present = tuple(tag for tag in named if fold(tag) in facts.tags)
    absent = tuple(tag for tag in named if fold(tag) not in facts.tags)
    other = tuple(sorted(spelling.get(key, key) for key in facts.tags - own_tags))
    gaps: dict[tuple[str, bool], tuple[GapKind, tuple[str, ...]]] = {
        ("has_any", True): ("lacks_any_tag", named),
        ("has_any", False): ("exceeds_tags", present),
        ("has_all", True): ("lacks_tags", absent),
        ("has_all", False): ("exceeds_tags", present),
        ("has_none", True): ("exceeds_tags", present),
        ("has_none", False): ("lacks_any_tag", named),
        ("is_empty", True): ("exceeds_tags", other),
        ("is_not_empty", False): ("exceeds_tags", other),
    }
    kind, tags = gaps.get((condition.operator.name, required), ("lacks_tags", ()))
    return Gap(kind, tags=tags) if tags else None
