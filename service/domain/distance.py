"""How far a customer is from a condition: how much is missing, how many days are left, which tags are in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final, Literal

import msgspec

from service.domain.branches import Comparison
from service.domain.facts import Facts, fold
from service.domain.fields import Kind

Way = Literal["lacks", "exceeds", "wait", "lacks_tags", "lacks_any_tag", "exceeds_tags"]
Span = tuple[int | None, int | None]  # both ends belong to it; None: no end


class Distance(msgspec.Struct, frozen=True, omit_defaults=True):
    """What must change until a condition's answer is the one that is needed.

    `lacks`: the value is too low by `amount` (money in ten-thousandths, dates in days). `exceeds`: too high.
    `wait`: time alone brings it, in `amount` days, on the day `on` (ISO). The others name `tags`.
    """

    way: Way
    amount: int = 0
    on: str = ""
    tags: tuple[str, ...] = ()


def distance(
    test: Comparison,
    facts: Facts,
    *,
    needed: bool = True,
    own: frozenset[str] = frozenset(),
    spelled: Mapping[str, str] | None = None,
) -> Distance | None:
    """The distance of one comparison; None when its answer is the needed one, or nothing can be counted.

    `own`: the folded tags that the asking rule sets itself. `spelled`: folded tag -> the record's spelling.
    """
    if test.matches(facts) is needed:
        return None
    on = test.flip(facts) if test.flip is not None else None
    if on is not None:
        return Distance("wait", on - facts.day.ordinal, date.fromordinal(on).isoformat())
    if test.field.kind is Kind.TAGS:
        return _of_tags(test, facts, needed=needed, own=own, spelled=spelled or {})
    return _of_number(test, facts, needed=needed)


def _of_number(test: Comparison, facts: Facts, *, needed: bool) -> Distance | None:
    value = getattr(facts, test.field.facts[0])
    reach = _REACH.get(test.operator.name) if test.field.kind in _COUNTED else None
    if reach is None or value is None or _anything_else(test.operator.name, needed=needed):
        return None
    wanted = reach(test.value, facts.day.ordinal)
    if not needed:
        wanted = _complement(wanted)
    steps = [step for span in wanted if (step := _step(value, span)) is not None]
    best = min(steps, key=abs)
    return Distance("lacks", best) if best > 0 else Distance("exceeds", -best)


def _anything_else(op: str, *, needed: bool) -> bool:
    """Whoever is three and is to be anything but three lacks nothing and has nothing too much."""
    return (op, needed) in {("is", False), ("is_not", True)}


def _step(value: int, span: Span) -> int:
    """By how much a value must grow (or shrink: negative) to be in the span."""
    low, high = span
    if low is not None and value < low:
        return low - value
    return high - value if high is not None and value > high else 0


def _complement(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Everything that these spans leave out; they are in order and apart."""
    found: list[Span] = []
    start: int | None = None
    open_below = True
    for low, high in spans:
        if low is not None and (open_below or start is not None):
            found.append((None if open_below else start, low - 1))
        open_below = False
        start = None if high is None else high + 1
    if start is not None:
        found.append((start, None))
    return tuple(found)


_COUNTED: Final = frozenset({Kind.MONEY, Kind.INT, Kind.DATE})
_REACH: Final[Mapping[str, Callable[[Any, int], tuple[Span, ...]]]] = {
    "at_least": lambda n, _: ((n, None),),
    "more_than": lambda n, _: ((n + 1, None),),
    "at_most": lambda n, _: ((None, n),),
    "less_than": lambda n, _: ((None, n - 1),),
    "between": lambda ends, _: (ends,),
    "is": lambda n, _: ((n, n),),
    "is_not": lambda n, _: ((None, n - 1), (n + 1, None)),
    "before": lambda day, _: ((None, day - 1),),
    "after": lambda day, _: ((day + 1, None),),
    "within_last": lambda days, today: ((today - days, None),),
    "more_than_ago": lambda days, today: ((None, today - days - 1),),
}


def _of_tags(
    test: Comparison, facts: Facts, *, needed: bool, own: frozenset[str], spelled: Mapping[str, str]
) -> Distance | None:
    asked = tuple(map(str, test.source.value)) if isinstance(test.source.value, tuple) else ()
    there = tuple(tag for tag in asked if fold(tag) in facts.tags)
    absent = tuple(tag for tag in asked if fold(tag) not in facts.tags)
    others = tuple(sorted(spelled.get(key, key) for key in facts.tags - own))
    found: dict[tuple[str, bool], tuple[Way, tuple[str, ...]]] = {
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
    return Distance(way, tags=tags) if tags else None
