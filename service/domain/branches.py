"""A tree of conditions, ready to be asked: each node knows its source, and can be asked alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from service.domain.conditions import AllOf, AnyOf, Condition, Negation, Tree, parts
from service.domain.facts import Facts
from service.domain.fields import FIELDS, Field
from service.domain.operators import Operator
from service.domain.source import Source
from service.domain.values import Compared, Takes

Predicate = Callable[[Facts], bool]
Flip = Callable[[Facts], int | None]


class _Node(ABC):
    """What is made of a node is made when it is first asked: most nodes are asked only as part of their rule."""

    @cached_property
    def matches(self) -> Predicate:
        """The test itself."""
        return test_of([self])

    @cached_property
    def flip(self) -> Flip | None:
        """Tells the first later day on which time alone may change the answer; None: it never does."""
        return flip_of([self])

    @property
    @abstractmethod
    def dated(self) -> bool:
        """Whether time alone may change the answer."""

    @abstractmethod
    def test(self, into: Source) -> str:
        """The test as an expression of the source that it goes into."""

    @abstractmethod
    def flips(self, into: Source, depth: int) -> None:
        """Of a dated node: add lines that move `soonest` to an earlier day if its answer may change on one."""


@dataclass(frozen=True)
class Comparison(_Node):
    """A comparison, ready: the source as authored, the value as compared.

    `own`: the folded tags that the asking rule sets itself.
    """

    source: Condition
    field: Field
    operator: Operator
    value: Compared
    own: frozenset[str]

    @property
    def dated(self) -> bool:
        return self.operator.flip is not None or self._ages is not None

    @property
    def _ages(self) -> tuple[int, ...] | None:
        """The ages at which a comparison of ages changes."""
        if self.field.name != "age" or self.operator.interval is None:
            return None
        low, high = self.operator.interval(self.value, 0)
        return tuple(age for age in (low, None if high is None else high + 1) if age is not None)

    def test(self, into: Source) -> str:
        """A field may be two facts, a name and its code: one of them must pass, or both if an empty one passes."""
        sees_all = self.field.name == "tags" and self.operator.takes is Takes.NOTHING
        value = into.bind(self.own if sees_all else self.value)
        tests = [f"({self.operator.test.format(fact=fact, value=value)})" for fact in self.field.facts]
        return (" and " if self.operator.matches_empty else " or ").join(tests)

    def flips(self, into: Source, depth: int) -> None:
        if self.operator.flip is not None:
            fact, on = self.field.facts[0], self.operator.flip.format(value=into.bind(self.value))
        else:
            fact, on = "birthday", f"age_reached(it, {into.bind(self._ages)}, facts.day)"
        into.line(f"if (it := facts.{fact}) is not None and today < (on := {on}) < soonest:", depth=depth)
        into.line("soonest = on", depth=depth + 1)


@dataclass(frozen=True)
class Group(_Node):
    """All, any or not, ready; `source` says which."""

    source: AllOf | AnyOf | Negation
    parts: tuple[Branch, ...]

    @property
    def dated(self) -> bool:
        return any(part.dated for part in self.parts)

    def test(self, into: Source) -> str:
        if isinstance(self.source, Negation):
            return f"not ({self.parts[0].test(into)})"
        return all_of(self.parts, into) if isinstance(self.source, AllOf) else any_of(self.parts, into)

    def flips(self, into: Source, depth: int) -> None:
        """The first of its parts', unless a part that time cannot change decides it anyway.

        A part that reads tags may be changed by another rule's day, which is that rule's to tell.
        """
        timeless = [part for part in self.parts if not part.dated]
        if timeless:
            every = isinstance(self.source, AllOf)
            steady = all_of(timeless, into) if every else f"not ({any_of(timeless, into)})"
            into.line(f"if {steady}:", depth=depth)
        for part in self.parts:
            if part.dated:
                part.flips(into, depth + bool(timeless))


Branch = Comparison | Group


def all_of(nodes: Iterable[_Node], into: Source) -> str:
    """An expression: all of them match."""
    return " and ".join(f"({one.test(into)})" for one in nodes)


def any_of(nodes: Iterable[_Node], into: Source) -> str:
    """An expression: one of them matches."""
    return " or ".join(f"({one.test(into)})" for one in nodes)


def test_of(nodes: Iterable[_Node]) -> Predicate:
    """A function: does one of them match?"""
    source = Source()
    source.line(f"return {any_of(nodes, source)}")
    test: Predicate = source.function()
    return test


def flip_of(nodes: Iterable[_Node]) -> Flip | None:
    """A function: the first later day on which time alone may change one of them; None when it changes none."""
    dated = [one for one in nodes if one.dated]
    if not dated:
        return None
    source = Source()
    source.line("today, soonest = facts.day.ordinal, never")
    for one in dated:
        one.flips(source, 0)
    source.line("return soonest if soonest < never else None")
    flip: Flip = source.function()
    return flip


def compile_tree(node: Tree, *, currency: str, own: frozenset[str] = frozenset()) -> Branch:
    """Make a tree of conditions ready; `own`: the folded tags that the asking rule sets itself."""
    if isinstance(node, Condition):
        return Comparison(node, FIELDS[node.field], node.operator, node.compared(currency), own)
    return Group(node, tuple(compile_tree(part, currency=currency, own=own) for part in parts(node)))
