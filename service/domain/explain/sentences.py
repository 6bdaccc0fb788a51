"""Conditions, rules and tiers as sentences, from the templates of a language."""

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
    Tier,
)


def describe(expression: Expression, *, translator: Translator, currency: str) -> str:
    """What a tree of conditions means, on one line."""
    match expression:
        case Condition():
            return describe_condition(expression, translator=translator, currency=currency)
        case Not(negated=Condition() as one) if one.operator.complement is not None:
            return describe_condition(one, translator=translator, currency=currency, negated=True)
        case Not():
            return translator("not", part=_inside(expression.negated, translator, currency))
        case AllOf():
            return f" {translator('joint.and')} ".join(
                _inside(part, translator, currency) for part in expression.all
            )
        case AnyOf():
            return f" {translator('joint.or')} ".join(
                _inside(part, translator, currency) for part in expression.any
            )


def describe_condition(
    condition: Condition, *, translator: Translator, currency: str, negated: bool = False
) -> str:
    """One comparison as a sentence; `negated`: the opposite, which the operator must have."""
    kind, takes = FIELDS[condition.field].type, condition.operator.operand_type
    gaps: dict[str, str] = {}
    if takes is not OperandType.NONE:
        gaps = _VALUES[takes](condition, condition.operand(currency), translator, currency)
    op = condition.operator.complement if negated else condition.op
    return translator(f"op.{kind}.{op}", field=translator(f"field.{condition.field}"), **gaps)


def describe_keep(rule: Rule, *, translator: Translator) -> str:
    """What happens when the customer no longer matches."""
    if rule.keep_days == FOREVER:
        return translator("rule.keep.forever")
    if rule.keep_days:
        return translator("rule.keep.days", days=translator.days(rule.keep_days))
    return translator("rule.keep.while_matching")


def describe_ownership_scope(maker: Rule | Tier, *, translator: Translator) -> str:
    """Which copies of the tag we may remove."""
    return translator(f"rule.owns.{maker.owns}")


def describe_orphan_policy(maker: Rule | Tier, *, translator: Translator) -> str:
    """What happens to the tags once the rule is deleted, disabled or renamed."""
    return translator(f"rule.when_gone.{maker.when_gone}")


def describe_downgrade(tier: Tier, *, translator: Translator) -> str:
    """What happens when a level is lost."""
    if tier.downgrade_days == FOREVER:
        return translator("tier.downgrade.never")
    if tier.downgrade_days:
        return translator("tier.downgrade.after", days=translator.days(tier.downgrade_days))
    return translator("tier.downgrade.at_once")


def describe_levels(tier: Tier, *, translator: Translator, currency: str) -> tuple[str, ...]:
    """One sentence for each level, from the top."""
    return tuple(
        translator(
            "tier.level", tag=level.tag, when=describe(level.when, translator=translator, currency=currency)
        )
        for level in tier.levels
    )


def format_value(name: str, value: object, *, translator: Translator, currency: str) -> str:
    """A field's value as kept in an explanation or a ledger entry (see reasons.actual)."""
    field = FIELDS.get(name)
    if field is None or value is None or value in ("", [], ()):
        return translator(f"empty.{name}") if translator.has(f"empty.{name}") else translator("empty")
    if field.is_personal:
        return translator("actual.personal") if value else translator("empty")
    return _SHOWN[field.type](name, value, translator, currency)


def _inside(part: Expression, words: Translator, currency: str) -> str:
    said = describe(part, translator=words, currency=currency)
    return f"({said})" if isinstance(part, AllOf | AnyOf) else said


def _choice(field: str, value: object, words: Translator) -> str:
    if field == "gender":
        number = value if isinstance(value, int) else {"male": 1, "nam": 1}.get(fold(str(value)), 0)
        key = f"gender.{number}"
    else:
        key = f"{_CHOICES.get(field, field)}.{fold(str(value))}"
    return words(key) if words.has(key) else str(value)


_CHOICES: Final[Mapping[str, str]] = {"state": "account"}  # field -> where its values' names stand
Gaps = Callable[[Condition, Any, Translator, str], dict[str, str]]


def _money(_: Condition, value: int, words: Translator, currency: str) -> dict[str, str]:
    return {"value": words.money(value, currency)}


def _moneys(_: Condition, ends: tuple[int, int], words: Translator, currency: str) -> dict[str, str]:
    return {"low": words.money(ends[0], currency), "high": words.money(ends[1], currency)}


def _count(_: Condition, value: int, words: Translator, __: str) -> dict[str, str]:
    return {"value": words.number(value)}


def _counts(_: Condition, ends: tuple[int, int], words: Translator, __: str) -> dict[str, str]:
    return {"low": words.number(ends[0]), "high": words.number(ends[1])}


def _listed(condition: Condition, _: Any, words: Translator, __: str) -> dict[str, str]:
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    return {"value": words.truncate_list([_choice(condition.field, each, words) for each in values])}


_VALUES: Final[Mapping[OperandType, Gaps]] = {
    OperandType.MONEY: _money,
    OperandType.MONEY_RANGE: _moneys,
    OperandType.INTEGER: _count,
    OperandType.INTEGER_RANGE: _counts,
    OperandType.DURATION: lambda _, days, words, __: {"value": words.days(days)},
    OperandType.DATE: lambda _, day, words, __: {"value": words.day(day)},
    OperandType.MONTH: lambda _, month, words, __: {"value": words.month(month)},
    OperandType.BOOLEAN: lambda _, flag, words, __: {"value": words("yes" if flag else "no")},
    OperandType.CHOICE: _listed,
    OperandType.CHOICE_LIST: _listed,
    OperandType.TEXT: lambda condition, _, words, __: {"value": words("quoted", text=condition.value)},
    OperandType.TAG_LIST: _listed,
}

_SHOWN: Final[Mapping[FieldType, Callable[[str, Any, Translator, str], str]]] = {
    FieldType.MONEY: lambda _, value, words, currency: words.money(value, currency),
    FieldType.INT: lambda name, value, words, _: (
        words.plural("years", value) if name == "age" else words.number(value)
    ),
    FieldType.DATE: lambda _, value, words, __: words.day(value),
    FieldType.ANNIVERSARY: lambda _, value, words, __: words.anniversary(value),
    FieldType.BOOL: lambda _, value, words, __: words("yes" if value else "no"),
    FieldType.CHOICE: lambda name, value, words, _: _choice(name, value, words),
    FieldType.TEXT: lambda _, __, words, ___: words("actual.personal"),
    FieldType.TAGS: lambda _, value, words, __: words.truncate_list(list(value)),
}
