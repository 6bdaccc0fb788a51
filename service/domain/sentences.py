"""Conditions, rules and tiers as sentences, from the templates of a language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from service.domain.conditions import AllOf, AnyOf, Condition, Negation, Tree
from service.domain.fields import FIELDS, Kind
from service.domain.rules import FOREVER, Rule, TierGroup
from service.domain.tags import fold
from service.domain.values import Takes
from service.domain.words import Words


def say(tree: Tree, *, words: Words, currency: str) -> str:
    """What a tree of conditions means, on one line."""
    match tree:
        case Condition():
            return say_condition(tree, words=words, currency=currency)
        case Negation(negated=Condition() as one) if one.operator.twin is not None:
            return say_condition(one, words=words, currency=currency, negated=True)
        case Negation():
            return words("not", part=_inside(tree.negated, words, currency))
        case AllOf():
            return f" {words('joint.and')} ".join(_inside(part, words, currency) for part in tree.all)
        case AnyOf():
            return f" {words('joint.or')} ".join(_inside(part, words, currency) for part in tree.any)


def say_condition(condition: Condition, *, words: Words, currency: str, negated: bool = False) -> str:
    """One comparison as a sentence; `negated`: the opposite, which the operator must have."""
    kind, takes = FIELDS[condition.field].kind, condition.operator.takes
    gaps: dict[str, str] = {}
    if takes is not Takes.NOTHING:
        gaps = _VALUES[takes](condition, condition.compared(currency), words, currency)
    op = condition.operator.twin if negated else condition.op
    return words(f"op.{kind}.{op}", field=words(f"field.{condition.field}"), **gaps)


def say_keep(rule: Rule, *, words: Words) -> str:
    """What happens when the customer no longer matches."""
    if rule.keep_days == FOREVER:
        return words("rule.keep.forever")
    if rule.keep_days:
        return words("rule.keep.days", days=words.days(rule.keep_days))
    return words("rule.keep.while_matching")


def say_owns(maker: Rule | TierGroup, *, words: Words) -> str:
    """Which copies of the tag we may remove."""
    return words(f"rule.owns.{maker.owns}")


def say_gone(maker: Rule | TierGroup, *, words: Words) -> str:
    """What happens to the tags once the rule is deleted, disabled or renamed."""
    return words(f"rule.when_gone.{maker.when_gone}")


def say_downgrade(tier: TierGroup, *, words: Words) -> str:
    """What happens when a level is lost."""
    if tier.downgrade_days == FOREVER:
        return words("tier.downgrade.never")
    if tier.downgrade_days:
        return words("tier.downgrade.after", days=words.days(tier.downgrade_days))
    return words("tier.downgrade.at_once")


def say_levels(tier: TierGroup, *, words: Words, currency: str) -> tuple[str, ...]:
    """One sentence for each level, from the top."""
    return tuple(
        words("tier.level", tag=level.tag, when=say(level.when, words=words, currency=currency))
        for level in tier.levels
    )


def say_value(name: str, value: object, *, words: Words, currency: str) -> str:
    """A field's value as kept in an explanation or a ledger entry (see reasons.actual)."""
    field = FIELDS.get(name)
    if field is None or value is None or value in ("", [], ()):
        return words(f"empty.{name}") if words.has(f"empty.{name}") else words("empty")
    if field.personal:
        return words("actual.personal") if value else words("empty")
    return _SHOWN[field.kind](name, value, words, currency)


def _inside(part: Tree, words: Words, currency: str) -> str:
    said = say(part, words=words, currency=currency)
    return f"({said})" if isinstance(part, AllOf | AnyOf) else said


def _choice(field: str, value: object, words: Words) -> str:
    if field == "gender":
        number = value if isinstance(value, int) else {"male": 1, "nam": 1}.get(fold(str(value)), 0)
        key = f"gender.{number}"
    else:
        key = f"{_CHOICES.get(field, field)}.{fold(str(value))}"
    return words(key) if words.has(key) else str(value)


_CHOICES: Final[Mapping[str, str]] = {"state": "account"}  # field -> where its values' names stand
Gaps = Callable[[Condition, Any, Words, str], dict[str, str]]


def _money(_: Condition, value: int, words: Words, currency: str) -> dict[str, str]:
    return {"value": words.money(value, currency)}


def _moneys(_: Condition, ends: tuple[int, int], words: Words, currency: str) -> dict[str, str]:
    return {"low": words.money(ends[0], currency), "high": words.money(ends[1], currency)}


def _count(_: Condition, value: int, words: Words, __: str) -> dict[str, str]:
    return {"value": words.number(value)}


def _counts(_: Condition, ends: tuple[int, int], words: Words, __: str) -> dict[str, str]:
    return {"low": words.number(ends[0]), "high": words.number(ends[1])}


def _listed(condition: Condition, _: Any, words: Words, __: str) -> dict[str, str]:
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    return {"value": words.shortened([_choice(condition.field, each, words) for each in values])}


_VALUES: Final[Mapping[Takes, Gaps]] = {
    Takes.AMOUNT: _money,
    Takes.AMOUNTS: _moneys,
    Takes.COUNT: _count,
    Takes.COUNTS: _counts,
    Takes.SPAN: lambda _, days, words, __: {"value": words.days(days)},
    Takes.DAY: lambda _, day, words, __: {"value": words.day(day)},
    Takes.MONTH: lambda _, month, words, __: {"value": words.month(month)},
    Takes.FLAG: lambda _, flag, words, __: {"value": words("yes" if flag else "no")},
    Takes.CHOICE: _listed,
    Takes.CHOICES: _listed,
    Takes.TEXT: lambda condition, _, words, __: {"value": words("quoted", text=condition.value)},
    Takes.TAGS: _listed,
}

_SHOWN: Final[Mapping[Kind, Callable[[str, Any, Words, str], str]]] = {
    Kind.MONEY: lambda _, value, words, currency: words.money(value, currency),
    Kind.INT: lambda name, value, words, _: (
        words.counted("years", value) if name == "age" else words.number(value)
    ),
    Kind.DATE: lambda _, value, words, __: words.day(value),
    Kind.ANNIVERSARY: lambda _, value, words, __: words.anniversary(value),
    Kind.BOOL: lambda _, value, words, __: words("yes" if value else "no"),
    Kind.CHOICE: lambda name, value, words, _: _choice(name, value, words),
    Kind.TEXT: lambda _, __, words, ___: words("actual.personal"),
    Kind.TAGS: lambda _, value, words, __: words.shortened(list(value)),
}
