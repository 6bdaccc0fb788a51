"""A tree of conditions as closures, which can also be walked: each node knows its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from service.domain.conditions import AllOf, AnyOf, Condition, Negation, Tree
from service.domain.facts import Facts
from service.domain.fields import FIELDS, Field
from service.domain.flips import Flip, age_reached
from service.domain.operators import Operator
from service.domain.predicates import Predicate
from service.domain.values import Compared, Takes


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison, ready: the source as authored, the value as compared."""

    source: Condition
    field: Field
    operator: Operator
    value: Compared
    matches: Predicate
    flip: Flip | None  # None: time alone never changes the answer


@dataclass(frozen=True, slots=True)
class Group:
    """All, any or not, ready; `source` says which."""

    source: AllOf | AnyOf | Negation
    parts: tuple[Branch, ...]
    matches: Predicate
    flip: Flip | None


Branch = Comparison | Group


def compile_tree(node: Tree, *, currency: str, own: frozenset[str] = frozenset()) -> Branch:
    """Make a tree of conditions ready; `own`: the folded tags that the asking rule sets itself."""
    match node:
        case Condition():
            return _test(node, currency, own)
        case Negation():
            part = compile_tree(node.negated, currency=currency, own=own)
            inner = part.matches
            return Group(node, (part,), lambda facts: not inner(facts), part.flip)
        case AllOf():
            parts = tuple(compile_tree(one, currency=currency, own=own) for one in node.all)
            return Group(
                node, parts, all_of(tuple(one.matches for one in parts)), _flip_while(parts, held=True)
            )
        case AnyOf():
            parts = tuple(compile_tree(one, currency=currency, own=own) for one in node.any)
            return Group(
                node, parts, any_of(tuple(one.matches for one in parts)), _flip_while(parts, held=False)
            )


def _test(node: Condition, currency: str, own: frozenset[str]) -> Comparison:
    field, operator = FIELDS[node.field], node.operator
    value = node.compared(currency)
    compared = own if field.name == "tags" and operator.takes is Takes.NOTHING else value
    if len(field.facts) == 2:
        matches = _either(field, operator, compared)
    else:
        matches = operator.make(attrgetter(field.facts[0]), compared)
    flip: Flip | None = None
    if operator.flip is not None:
        flip = operator.flip(attrgetter(field.facts[0]), value)
    elif field.name == "age" and operator.turns is not None:
        flip = age_reached(operator.turns)(attrgetter("age"), value)
    return Comparison(node, field, operator, value, matches, flip)


_NEGATIVE: Final = frozenset({"is_not", "not_in", "is_empty"})


def _either(field: Field, operator: Operator, value: Compared) -> Predicate:
    """A name or its code: a positive test needs one of them, its negative twin both."""
    first, second = (operator.make(attrgetter(name), value) for name in field.facts)
    if operator.name in _NEGATIVE:
        return lambda facts: first(facts) and second(facts)
    return lambda facts: first(facts) or second(facts)


def all_of(tests: tuple[Predicate, ...]) -> Predicate:
    """One test of several that must all match; the short ones are spelled out, being the most."""
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda facts: first(facts) and second(facts)
    if len(tests) == 3:
        one, two, three = tests
        return lambda facts: one(facts) and two(facts) and three(facts)

    def every(facts: Facts) -> bool:
        for test in tests:  # noqa: SIM110 - a generator would cost twice as much
            if not test(facts):
                return False
        return True

    return every


def any_of(tests: tuple[Predicate, ...]) -> Predicate:
    """One test of several of which one must match."""
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda facts: first(facts) or second(facts)

    def some(facts: Facts) -> bool:
        for test in tests:  # noqa: SIM110 - a generator would cost twice as much
            if test(facts):
                return True
        return False

    return some


def _flip_while(parts: tuple[Branch, ...], *, held: bool) -> Flip | None:
    """A group's flip: the first of its parts', unless a part that time cannot change decides it anyway.

    A part that reads tags may be changed by another rule's day, which is that rule's to tell.
    """
    soonest = earliest(parts)
    timeless = tuple(one.matches for one in parts if one.flip is None)
    if soonest is None or not timeless:
        return soonest
    steady = all_of(timeless) if held else any_of(timeless)
    found: Flip = soonest
    if held:
        return lambda facts: found(facts) if steady(facts) else None
    return lambda facts: None if steady(facts) else found(facts)


def earliest(parts: Sequence[Branch]) -> Flip | None:
    """The first flip of several, None when time changes none of them."""
    flips = tuple(one.flip for one in parts if one.flip is not None)
    if len(flips) <= 1:
        return flips[0] if flips else None

    def soonest(facts: Facts) -> int | None:
        return min((on for flip in flips if (on := flip(facts)) is not None), default=None)

    return soonest
