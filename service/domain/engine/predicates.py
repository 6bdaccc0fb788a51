"""A tree of conditions, ready to be asked: each node knows its source, and can be asked alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from service.domain.engine.codegen import FunctionBuilder
from service.domain.engine.facts import Facts
from service.domain.rules import (
    FIELDS,
    AllOf,
    AnyOf,
    Condition,
    Expression,
    Field,
    Not,
    Operand,
    OperandType,
    Operator,
    children,
)

Test = Callable[[Facts], bool]
NextChange = Callable[[Facts], int | None]


class _Node(ABC):
    """What is made of a node is made when it is first asked: most nodes are asked only as part of their rule."""

    @cached_property
    def matches(self) -> Test:
        """The test itself."""
        return compile_test([self])

    @cached_property
    def next_change(self) -> NextChange | None:
        """Tells the first later day on which time alone may change the answer; None: it never does."""
        return compile_next_change([self])

    @property
    @abstractmethod
    def is_time_dependent(self) -> bool:
        """Whether time alone may change the answer."""

    @abstractmethod
    def emit_test(self, into: FunctionBuilder) -> str:
        """The test as an expression of the source that it goes into."""

    @abstractmethod
    def emit_next_change(self, into: FunctionBuilder, depth: int) -> None:
        """Of a dated node: add lines that move `soonest` to an earlier day if its answer may change on one."""


@dataclass(frozen=True)
class CompiledCondition(_Node):
    """A comparison, ready: the source as authored, the value as compared.

    `own`: the folded tags that the asking rule sets itself.
    """

    expression: Condition
    field: Field
    operator: Operator
    value: Operand
    own_tags: frozenset[str]

    @property
    def is_time_dependent(self) -> bool:
        return self.operator.changes_on is not None or self._ages is not None

    @property
    def _ages(self) -> tuple[int, ...] | None:
        """The ages at which a comparison of ages changes."""
        if self.field.name != "age" or self.operator.interval is None:
            return None
        low, high = self.operator.interval(self.value, 0)
        return tuple(age for age in (low, None if high is None else high + 1) if age is not None)

    def emit_test(self, into: FunctionBuilder) -> str:
        """A field may be two facts, a name and its code: one of them must pass, or both if an empty one passes."""
        sees_all = self.field.name == "tags" and self.operator.operand_type is OperandType.NONE
        value = into.bind(self.own_tags if sees_all else self.value)
        tests = [
            f"({self.operator.template.format(fact=fact, value=value)})" for fact in self.field.fact_names
        ]
        return (" and " if self.operator.matches_empty else " or ").join(tests)

    def emit_next_change(self, into: FunctionBuilder, depth: int) -> None:
        if self.operator.changes_on is not None:
            fact, on = self.field.fact_names[0], self.operator.changes_on.format(value=into.bind(self.value))
        else:
            fact, on = "birthday", f"next_age_change(it, {into.bind(self._ages)}, facts.day)"
        into.add_line(f"if (it := facts.{fact}) is not None and today < (on := {on}) < soonest:", depth=depth)
        into.add_line("soonest = on", depth=depth + 1)


@dataclass(frozen=True)
class CompiledGroup(_Node):
    """All, any or not, ready; `source` says which."""

    expression: AllOf | AnyOf | Not
    parts: tuple[CompiledExpression, ...]

    @property
    def is_time_dependent(self) -> bool:
        return any(part.is_time_dependent for part in self.parts)

    def emit_test(self, into: FunctionBuilder) -> str:
        if isinstance(self.expression, Not):
            return f"not ({self.parts[0].emit_test(into)})"
        return (
            emit_all(self.parts, into) if isinstance(self.expression, AllOf) else emit_any(self.parts, into)
        )

    def emit_next_change(self, into: FunctionBuilder, depth: int) -> None:
        """The first of its parts', unless a part that time cannot change decides it anyway.

        A part that reads tags may be changed by another rule's day, which is that rule's to tell.
        """
        timeless = [part for part in self.parts if not part.is_time_dependent]
        if timeless:
            every = isinstance(self.expression, AllOf)
            steady = emit_all(timeless, into) if every else f"not ({emit_any(timeless, into)})"
            into.add_line(f"if {steady}:", depth=depth)
        for part in self.parts:
            if part.is_time_dependent:
                part.emit_next_change(into, depth + bool(timeless))


CompiledExpression = CompiledCondition | CompiledGroup


def emit_all(nodes: Iterable[_Node], into: FunctionBuilder) -> str:
    """An expression: all of them match."""
    return " and ".join(f"({one.emit_test(into)})" for one in nodes)


def emit_any(nodes: Iterable[_Node], into: FunctionBuilder) -> str:
    """An expression: one of them matches."""
    return " or ".join(f"({one.emit_test(into)})" for one in nodes)


def compile_test(nodes: Iterable[_Node]) -> Test:
    """A function: does one of them match?"""
    source = FunctionBuilder()
    source.add_line(f"return {emit_any(nodes, source)}")
    test: Test = source.build()
    return test


def compile_next_change(nodes: Iterable[_Node]) -> NextChange | None:
    """A function: the first later day on which time alone may change one of them; None when it changes none."""
    dated = [one for one in nodes if one.is_time_dependent]
    if not dated:
        return None
    source = FunctionBuilder()
    source.add_line("today, soonest = facts.day.ordinal, never")
    for one in dated:
        one.emit_next_change(source, 0)
    source.add_line("return soonest if soonest < never else None")
    flip: NextChange = source.build()
    return flip


def compile_expression(
    node: Expression, *, currency: str, own: frozenset[str] = frozenset()
) -> CompiledExpression:
    """Make a tree of conditions ready; `own`: the folded tags that the asking rule sets itself."""
    if isinstance(node, Condition):
        return CompiledCondition(node, FIELDS[node.field], node.operator, node.operand(currency), own)
    return CompiledGroup(
        node, tuple(compile_expression(part, currency=currency, own=own) for part in children(node))
    )
