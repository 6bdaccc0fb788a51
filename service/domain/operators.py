"""The table of operators: for each type of field, what may be asked and with what value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.domain import flips, predicates
from service.domain.fields import Kind
from service.domain.flips import MakeFlip
from service.domain.predicates import Make
from service.domain.values import Takes


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of one type of field.

    `twin` names its exact complement. `flip` tells when time alone changes the answer; `turns` the ages
    at which a comparison of ages changes.
    """

    kind: Kind
    name: str
    takes: Takes
    make: Make
    twin: str | None = None
    flip: MakeFlip | None = None
    turns: Callable[[Any], tuple[int, ...]] | None = None


def _numbers(kind: Kind, one: Takes, two: Takes) -> tuple[Operator, ...]:
    return (
        Operator(kind, "at_least", one, predicates.at_least, turns=lambda n: (n,)),
        Operator(kind, "more_than", one, predicates.more_than, turns=lambda n: (n + 1,)),
        Operator(kind, "at_most", one, predicates.at_most, turns=lambda n: (n + 1,)),
        Operator(kind, "less_than", one, predicates.less_than, turns=lambda n: (n,)),
        Operator(kind, "between", two, predicates.between, turns=lambda ends: (ends[0], ends[1] + 1)),
        Operator(kind, "is", one, predicates.equals, "is_not", turns=lambda n: (n, n + 1)),
        Operator(kind, "is_not", one, predicates.differs, "is", turns=lambda n: (n, n + 1)),
        *_emptiness(kind),
    )


def _emptiness(kind: Kind) -> tuple[Operator, ...]:
    return (
        Operator(kind, "is_empty", Takes.NOTHING, predicates.empty, "is_not_empty"),
        Operator(kind, "is_not_empty", Takes.NOTHING, predicates.not_empty, "is_empty"),
    )


_ALL: Final = (
    *_numbers(Kind.MONEY, Takes.AMOUNT, Takes.AMOUNTS),
    *_numbers(Kind.INT, Takes.COUNT, Takes.COUNTS),
    Operator(Kind.DATE, "within_last", Takes.SPAN, predicates.within_last, flip=flips.window),
    Operator(Kind.DATE, "more_than_ago", Takes.SPAN, predicates.more_than_ago, flip=flips.window),
    Operator(Kind.DATE, "before", Takes.DAY, predicates.less_than),
    Operator(Kind.DATE, "after", Takes.DAY, predicates.more_than),
    *_emptiness(Kind.DATE),
    Operator(Kind.ANNIVERSARY, "this_month", Takes.NOTHING, predicates.this_month, flip=flips.this_month),
    Operator(Kind.ANNIVERSARY, "next_month", Takes.NOTHING, predicates.next_month, flip=flips.next_month),
    Operator(Kind.ANNIVERSARY, "month_is", Takes.MONTH, predicates.month_is),
    Operator(Kind.ANNIVERSARY, "today", Takes.NOTHING, predicates.is_today, flip=flips.is_today),
    Operator(Kind.ANNIVERSARY, "in_next", Takes.SPAN, predicates.in_next, flip=flips.in_next),
    *_emptiness(Kind.ANNIVERSARY),
    Operator(Kind.BOOL, "is", Takes.FLAG, predicates.flag_is),
    Operator(Kind.CHOICE, "is", Takes.CHOICE, predicates.is_in, "is_not"),
    Operator(Kind.CHOICE, "is_not", Takes.CHOICE, predicates.is_not_in, "is"),
    Operator(Kind.CHOICE, "in", Takes.CHOICES, predicates.is_in, "not_in"),
    Operator(Kind.CHOICE, "not_in", Takes.CHOICES, predicates.is_not_in, "in"),
    *_emptiness(Kind.CHOICE),
    Operator(Kind.TEXT, "contains", Takes.TEXT, predicates.contains, "not_contains"),
    Operator(Kind.TEXT, "not_contains", Takes.TEXT, predicates.not_contains, "contains"),
    Operator(Kind.TEXT, "starts_with", Takes.TEXT, predicates.starts_with),
    Operator(Kind.TEXT, "ends_with", Takes.TEXT, predicates.ends_with),
    Operator(Kind.TEXT, "is", Takes.TEXT, predicates.equals, "is_not"),
    Operator(Kind.TEXT, "is_not", Takes.TEXT, predicates.differs, "is"),
    *_emptiness(Kind.TEXT),
    Operator(Kind.TAGS, "has_any", Takes.TAGS, predicates.has_any, "has_none"),
    Operator(Kind.TAGS, "has_all", Takes.TAGS, predicates.has_all),
    Operator(Kind.TAGS, "has_none", Takes.TAGS, predicates.has_none, "has_any"),
    Operator(Kind.TAGS, "is_empty", Takes.NOTHING, predicates.no_tags, "is_not_empty"),
    Operator(Kind.TAGS, "is_not_empty", Takes.NOTHING, predicates.some_tags, "is_empty"),
)

OPERATORS: Final[Mapping[Kind, Mapping[str, Operator]]] = {
    kind: {operator.name: operator for operator in _ALL if operator.kind is kind} for kind in Kind
}
