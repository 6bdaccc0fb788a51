"""Conditions, rules and tiers as sentences. The texts come from the catalog, by field, type and operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from service.domain.customers import fold
from service.domain.explain.wording import Translator
from service.domain.rules import (
    FIELDS,
    FOREVER,
    AllOf,
    AnyOf,
    Condition,
    Expression,
    FieldType,
    Not,
    OperandType,
    Rule,
    RuleOrTier,
    Tier,
)


def describe(expression: Expression, *, translator: Translator, currency: str) -> str:
    """Return a tree of conditions on one line. A `not` before an operator with a complement names the complement."""
    match expression:
        case Condition():
            return describe_condition(expression, translator=translator, currency=currency)
        case Not(negated=Condition() as condition) if condition.operator.complement is not None:
            return describe_condition(condition, translator=translator, currency=currency, negated=True)
        case Not():
            return translator("not", part=_describe_part(expression.negated, translator, currency))
        case AllOf():
            return f" {translator('joint.and')} ".join(
                _describe_part(part, translator, currency) for part in expression.all
            )
        case AnyOf():
            return f" {translator('joint.or')} ".join(
                _describe_part(part, translator, currency) for part in expression.any
            )


def describe_condition(
    condition: Condition, *, translator: Translator, currency: str, negated: bool = False
) -> str:
    """Return one condition as a sentence. `negated` is only allowed if the operator has a complement."""
    field_type, operand_type = FIELDS[condition.field].type, condition.operator.operand_type
    params: dict[str, str] = {}
    if operand_type is not OperandType.NONE:
        params = _OPERANDS[operand_type](condition, condition.operand(currency), translator, currency)
    op = condition.operator.complement if negated else condition.op
    key = f"op.{field_type}.{op}"
    if (
        operand_type is OperandType.TAG_LIST
        and isinstance(condition.value, tuple)
        and len(condition.value) == 1
    ):
        key = f"{key}.single"
    return translator(key, field=translator(f"field.{condition.field}"), **params)


def describe_keep(rule: Rule, *, translator: Translator) -> str:
    """Say what happens to the tag when the customer no longer matches."""
    if rule.keep_days == FOREVER:
        return translator("rule.keep.forever")
    if rule.keep_days:
        return translator("rule.keep.days", days=translator.days(rule.keep_days))
    return translator("rule.keep.while_matching")


def describe_ownership_scope(rule: RuleOrTier, *, translator: Translator) -> str:
    """Say which copies of the tag the rule may remove."""
    return translator(f"rule.owns.{rule.owns}")


def describe_orphan_policy(rule: RuleOrTier, *, translator: Translator) -> str:
    """Say what happens to the tags when the rule is deleted, disabled or renamed."""
    return translator(f"rule.when_gone.{rule.when_gone}")


def describe_downgrade(tier: Tier, *, translator: Translator) -> str:
    """Say what happens when a customer loses a level."""
    if tier.downgrade_days == FOREVER:
        return translator("tier.downgrade.never")
    if tier.downgrade_days:
        return translator("tier.downgrade.after", days=translator.days(tier.downgrade_days))
    return translator("tier.downgrade.at_once")


def describe_levels(tier: Tier, *, translator: Translator, currency: str) -> tuple[str, ...]:
    """Return one sentence for each level, from the top."""
    return tuple(
        translator(
            "tier.level", tag=level.tag, when=describe(level.when, translator=translator, currency=currency)
        )
        for level in tier.levels
    )


def format_value(name: str, value: object, *, translator: Translator, currency: str) -> str:
    """Format a field's value as `fact_value` and the ledger have it. A personal value is never shown."""
    field = FIELDS.get(name)
    if field is None or value is None or value in ("", [], ()):
        return translator(f"empty.{name}") if translator.has(f"empty.{name}") else translator("empty")
    if field.is_personal:
        return translator("actual.personal") if value else translator("empty")
    return _FORMATS[field.type](name, value, translator, currency)


def _describe_part(part: Expression, translator: Translator, currency: str) -> str:
    text = describe(part, translator=translator, currency=currency)
    return f"({text})" if isinstance(part, AllOf | AnyOf) else text


def _format_choice(field: str, value: object, translator: Translator) -> str:
    if field == "gender":
        number = value if isinstance(value, int) else {"male": 1, "nam": 1}.get(fold(str(value)), 0)
        key = f"gender.{number}"
    else:
        key = f"{_CHOICE_KEYS.get(field, field)}.{fold(str(value))}"
    return translator(key) if translator.has(key) else str(value)


_CHOICE_KEYS: Final[Mapping[str, str]] = {"state": "account"}  # field -> prefix of its choices in the catalog
Params = dict[str, str]


def _money(_: Condition, value: int, translator: Translator, currency: str) -> Params:
    return {"value": translator.money(value, currency)}


def _money_range(_: Condition, ends: tuple[int, int], translator: Translator, currency: str) -> Params:
    return {"low": translator.money(ends[0], currency), "high": translator.money(ends[1], currency)}


def _integer(_: Condition, value: int, translator: Translator, __: str) -> Params:
    return {"value": translator.number(value)}


def _integer_range(_: Condition, ends: tuple[int, int], translator: Translator, __: str) -> Params:
    return {"low": translator.number(ends[0]), "high": translator.number(ends[1])}


def _choices(condition: Condition, _: Any, translator: Translator, __: str) -> Params:
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    names = [_format_choice(condition.field, value, translator) for value in values]
    return {"value": translator.truncate_list(names)}


_OPERANDS: Final[Mapping[OperandType, Callable[[Condition, Any, Translator, str], Params]]] = {
    OperandType.MONEY: _money,
    OperandType.MONEY_RANGE: _money_range,
    OperandType.INTEGER: _integer,
    OperandType.INTEGER_RANGE: _integer_range,
    OperandType.DURATION: lambda _, days, translator, __: {"value": translator.days(days)},
    OperandType.DATE: lambda _, day, translator, __: {"value": translator.day(day)},
    OperandType.MONTH: lambda _, month, translator, __: {"value": translator.month(month)},
    OperandType.BOOLEAN: lambda _, flag, translator, __: {"value": translator("yes" if flag else "no")},
    OperandType.CHOICE: _choices,
    OperandType.CHOICE_LIST: _choices,
    OperandType.TEXT: lambda condition, _, translator, __: {
        "value": translator("quoted", text=condition.value)
    },
    OperandType.TAG_LIST: _choices,
}

_FORMATS: Final[Mapping[FieldType, Callable[[str, Any, Translator, str], str]]] = {
    FieldType.MONEY: lambda _, value, translator, currency: translator.money(value, currency),
    FieldType.INT: lambda name, value, translator, _: (
        translator.plural("years", value) if name == "age" else translator.number(value)
    ),
    FieldType.DATE: lambda _, value, translator, __: translator.day(value),
    FieldType.ANNIVERSARY: lambda _, value, translator, __: translator.anniversary(value),
    FieldType.BOOL: lambda _, value, translator, __: translator("yes" if value else "no"),
    FieldType.CHOICE: lambda name, value, translator, _: _format_choice(name, value, translator),
    FieldType.TEXT: lambda _, __, translator, ___: translator("actual.personal"),
    FieldType.TAGS: lambda _, value, translator, __: translator.truncate_list(list(value)),
}
