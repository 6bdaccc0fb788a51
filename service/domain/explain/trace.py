"""Traces: a rule's tree of conditions with each answer, the values compared and the gap to the required answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from service.domain.customers import Customer, MissingReason
from service.domain.engine import CompiledCondition, CompiledExpression, Facts, fact_value
from service.domain.explain.gap import Gap, gap_to
from service.domain.rules import (
    FIELDS,
    AllOf,
    AnyOf,
    Condition,
    Expression,
    FieldType,
    OperandType,
    iter_conditions,
)

GroupKind = Literal["all", "any", "not"]


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """One condition and its answer.

    `expected` and `actual` are plain data: money in ten-thousandths, lengths of time in days, days as ISO dates. For
    a personal field, `actual` only says whether there is a value. `required` is the answer that the rule needs here:
    False under `not`. `missing`: why the record lacks the field; then there is no answer, and `matched` is None.
    `is_future`: a length of time is compared with a day in the future.
    """

    condition: Condition
    expected: object
    actual: object
    matched: bool | None
    required: bool
    gap: Gap | None
    missing: MissingReason | None = None
    is_future: bool = False


@dataclass(frozen=True, slots=True)
class GroupTrace:
    """A group of conditions and its answer: None if a part has none. `not` has one part."""

    kind: GroupKind
    parts: tuple[Trace, ...]
    matched: bool | None
    required: bool


Trace = ConditionTrace | GroupTrace


def trace(
    expression: CompiledExpression,
    *,
    facts: Facts,
    customer: Customer,
    own_tags: frozenset[str] = frozenset(),
    spelling: Mapping[str, str] | None = None,
    required: bool = True,
) -> Trace:
    """Evaluate every condition of a compiled expression for one customer.

    `own_tags`: the folded tags that the expression's rule sets. `spelling`: folded tag -> the record's spelling.
    """
    if isinstance(expression, CompiledCondition):
        missing = missing_fields([expression.expression], customer).get(expression.field.name)
        if missing is not None:
            return ConditionTrace(
                expression.expression, _expected(expression), None, None, required, None, missing
            )
        return ConditionTrace(
            condition=expression.expression,
            expected=_expected(expression),
            actual=_actual(expression, facts, customer, spelling or {}),
            matched=expression.matches(facts),
            required=required,
            gap=gap_to(expression, facts, required=required, own_tags=own_tags, spelling=spelling),
            is_future=_is_future(expression, facts),
        )
    kind = _group_kind(expression.expression)
    parts = tuple(
        trace(
            part,
            facts=facts,
            customer=customer,
            own_tags=own_tags,
            spelling=spelling,
            required=required is (kind != "not"),
        )
        for part in expression.parts
    )
    answers = [part.matched for part in parts]
    matched = {"all": all(answers), "any": any(answers), "not": not answers[0]}[kind]
    return GroupTrace(kind, parts, None if None in answers else matched, required)


def missing_fields(expressions: Iterable[Expression], customer: Customer) -> dict[str, MissingReason]:
    """The fields that the expressions read and the record lacks, each with the first reason."""
    missing = dict(customer.missing)
    names = [condition.field for expression in expressions for condition in iter_conditions(expression)]
    reasons = {
        name: [missing[key] for key in sorted(FIELDS[name].record_keys & missing.keys())] for name in names
    }
    return {name: found[0] for name, found in reasons.items() if found}


def _group_kind(expression: Expression) -> GroupKind:
    if isinstance(expression, AllOf):
        return "all"
    return "any" if isinstance(expression, AnyOf) else "not"


def _is_future(condition: CompiledCondition, facts: Facts) -> bool:
    if (
        condition.operator.operand_type is not OperandType.DURATION
        or condition.field.type is not FieldType.DATE
    ):
        return False
    day = getattr(facts, condition.field.fact_names[0])
    return day is not None and day > facts.day.ordinal


def _actual(
    condition: CompiledCondition, facts: Facts, customer: Customer, spelling: Mapping[str, str]
) -> object:
    if condition.field.type is FieldType.TAGS:
        return sorted(spelling.get(key, key) for key in facts.tags)
    return fact_value(condition.field.name, facts=facts, customer=customer)


def _expected(condition: CompiledCondition) -> object:
    """The operand as plain data: numbers as compared, texts and lists as authored."""
    value = condition.value
    match condition.operator.operand_type:
        case OperandType.NONE:
            return None
        case OperandType.DATE:
            return date.fromordinal(value).isoformat() if isinstance(value, int) else None
        case (
            OperandType.MONEY
            | OperandType.INTEGER
            | OperandType.DURATION
            | OperandType.MONTH
            | OperandType.BOOLEAN
        ):
            return value
        case OperandType.MONEY_RANGE | OperandType.INTEGER_RANGE:
            return list(value) if isinstance(value, tuple) else None
    authored = condition.expression.value
    return list(authored) if isinstance(authored, tuple) else authored
