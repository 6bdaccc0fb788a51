"""Why a condition holds or not: the same tree, with what was compared and what is missing at every leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from service.domain.customers import Customer
from service.domain.engine import CompiledCondition, CompiledExpression, Facts, fact_value
from service.domain.explain.gap import Gap, gap_to
from service.domain.rules import AllOf, AnyOf, Condition, FieldType, OperandType


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """One comparison and what came of it.

    `expected` and `actual`: money in ten-thousandths, lengths of time in days, days as ISO dates; of personal
    fields only whether there is something. `needed`: the answer that the rule needs here (False under `not`).
    """

    condition: Condition
    expected: object
    actual: object
    matched: bool
    required: bool
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class GroupTrace:
    """A group and what came of its parts."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Trace, ...]
    matched: bool
    required: bool


Trace = ConditionTrace | GroupTrace


def trace(
    branch: CompiledExpression,
    *,
    facts: Facts,
    customer: Customer,
    own: frozenset[str] = frozenset(),
    spelled: Mapping[str, str] | None = None,
    needed: bool = True,
) -> Trace:
    """Walk a compiled tree over one customer's facts.

    `own`: the folded tags that the asking rule sets itself; `spelled`: folded tag -> the record's spelling.
    """
    if isinstance(branch, CompiledCondition):
        return ConditionTrace(
            condition=branch.expression,
            expected=_expected(branch),
            actual=_seen(branch, facts, customer, spelled or {}),
            matched=branch.matches(facts),
            required=needed,
            gap=gap_to(branch, facts, needed=needed, own=own, spelled=spelled),
        )
    kind: Literal["all", "any", "not"] = (
        "all"
        if isinstance(branch.expression, AllOf)
        else "any"
        if isinstance(branch.expression, AnyOf)
        else "not"
    )
    parts = tuple(
        trace(
            part,
            facts=facts,
            customer=customer,
            own=own,
            spelled=spelled,
            needed=needed is (kind != "not"),
        )
        for part in branch.parts
    )
    answers = [part.matched for part in parts]
    matched = {"all": all(answers), "any": any(answers), "not": not answers[0]}[kind]
    return GroupTrace(kind, parts, matched, needed)


def _seen(test: CompiledCondition, facts: Facts, customer: Customer, spelled: Mapping[str, str]) -> object:
    if test.field.type is FieldType.TAGS:
        return sorted(spelled.get(key, key) for key in facts.tags)
    return fact_value(test.field.name, facts=facts, customer=customer)


def _expected(test: CompiledCondition) -> object:
    """The value compared with, as plain data: numbers as compared, texts and lists as authored."""
    match test.operator.operand_type:
        case OperandType.NONE:
            return None
        case OperandType.DATE:
            return date.fromordinal(test.value).isoformat() if isinstance(test.value, int) else None
        case (
            OperandType.MONEY
            | OperandType.INTEGER
            | OperandType.DURATION
            | OperandType.MONTH
            | OperandType.BOOLEAN
        ):
            return test.value
        case OperandType.MONEY_RANGE | OperandType.INTEGER_RANGE:
            return list(test.value) if isinstance(test.value, tuple) else None
    authored = test.expression.value
    return list(authored) if isinstance(authored, tuple) else authored
