"""Compiled conditions: each node of an expression emits source for the function of its rule, and compiles alone."""

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
    """Base of compiled expressions.

    `matches` and `next_change` are compiled on first access: most nodes are only evaluated as part of the function of
    their rule.
    """

    @cached_property
    def matches(self) -> Test:
        """Whether the expression is true of a customer's facts."""
        return compile_test([self])

    @cached_property
    def next_change(self) -> NextChange | None:
        """Returns the first later day (ordinal) on which time alone may change the result, or None if there is none.

        None instead of a function if the expression does not depend on time at all.
        """
        return compile_next_change([self])

    @property
    @abstractmethod
    def is_time_dependent(self) -> bool:
        """Whether time alone may change the result."""

    @abstractmethod
    def emit_test(self, into: FunctionBuilder) -> str:
        """Return the test as an expression for the source of `into`."""

    @abstractmethod
    def emit_next_change(self, into: FunctionBuilder, depth: int) -> None:
        """Add lines that set `soonest` to the day on which the result may change, if that is earlier.

        Only for a node that depends on time.
        """


@dataclass(frozen=True)
class CompiledCondition(_Node):
    """A compiled comparison. `value` is the operand; `expression` has it as the author wrote it.

    `own_tags`: the folded tags that the rule of the condition sets.
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
        """The ages at which the result of a comparison of ages changes. None for any other comparison."""
        if self.field.name != "age" or self.operator.interval is None:
            return None
        low, high = self.operator.interval(self.value, 0)
        return tuple(age for age in (low, None if high is None else high + 1) if age is not None)

    def emit_test(self, into: FunctionBuilder) -> str:
        """Some fields have two facts, a name and its code. One of them must pass; both must if an empty fact passes."""
        reads_all_tags = self.field.name == "tags" and self.operator.operand_type is OperandType.NONE
        value = into.bind(self.own_tags if reads_all_tags else self.value)
        tests = [
            f"({self.operator.template.format(fact=fact, value=value)})" for fact in self.field.fact_names
        ]
        return (" and " if self.operator.matches_empty else " or ").join(tests)

    def emit_next_change(self, into: FunctionBuilder, depth: int) -> None:
        if self.operator.changes_on is not None:
            fact, day = self.field.fact_names[0], self.operator.changes_on.format(value=into.bind(self.value))
        else:
            fact, day = "birthday", f"next_age_change(it, {into.bind(self._ages)}, facts.day)"
        into.add_line(
            f"if (it := facts.{fact}) is not None and today < (day := {day}) < soonest:", depth=depth
        )
        into.add_line("soonest = day", depth=depth + 1)


@dataclass(frozen=True)
class CompiledGroup(_Node):
    """A compiled `all`, `any` or `not`."""

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
        """The earliest change of a part, unless the parts that do not depend on time already decide the group.

        A part that reads tags may change because of another rule. That rule's own next change covers the day.
        """
        timeless = [part for part in self.parts if not part.is_time_dependent]
        if timeless:
            is_all = isinstance(self.expression, AllOf)
            undecided = emit_all(timeless, into) if is_all else f"not ({emit_any(timeless, into)})"
            into.add_line(f"if {undecided}:", depth=depth)
        for part in self.parts:
            if part.is_time_dependent:
                part.emit_next_change(into, depth + bool(timeless))


CompiledExpression = CompiledCondition | CompiledGroup


def emit_all(nodes: Iterable[_Node], into: FunctionBuilder) -> str:
    """Return an expression that is true if all nodes match."""
    return " and ".join(f"({node.emit_test(into)})" for node in nodes)


def emit_any(nodes: Iterable[_Node], into: FunctionBuilder) -> str:
    """Return an expression that is true if any node matches."""
    return " or ".join(f"({node.emit_test(into)})" for node in nodes)


def compile_test(nodes: Iterable[_Node]) -> Test:
    """Compile a function that returns whether any node matches."""
    builder = FunctionBuilder()
    builder.add_line(f"return {emit_any(nodes, builder)}")
    test: Test = builder.build()
    return test


def compile_next_change(nodes: Iterable[_Node]) -> NextChange | None:
    """Compile a function that returns the first later day on which time alone may change the result of any node.

    None instead of a function if no node depends on time.
    """
    time_dependent = [node for node in nodes if node.is_time_dependent]
    if not time_dependent:
        return None
    builder = FunctionBuilder()
    builder.add_line("today, soonest = facts.day.ordinal, never")
    for node in time_dependent:
        node.emit_next_change(builder, 0)
    builder.add_line("return soonest if soonest < never else None")
    next_change: NextChange = builder.build()
    return next_change


def compile_expression(
    expression: Expression, *, currency: str, own_tags: frozenset[str] = frozenset()
) -> CompiledExpression:
    """Compile an expression. `own_tags`: the folded tags that its rule sets."""
    if isinstance(expression, Condition):
        return CompiledCondition(
            expression=expression,
            field=FIELDS[expression.field],
            operator=expression.operator,
            value=expression.operand(currency),
            own_tags=own_tags,
        )
    parts = children(expression)
    return CompiledGroup(
        expression, tuple(compile_expression(part, currency=currency, own_tags=own_tags) for part in parts)
    )
