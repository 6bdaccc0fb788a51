"""Evidence: the values that a rule compared. It is stored with every write and shown to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from service.domain.customers import Customer, fold
from service.domain.engine.facts import Facts
from service.domain.rules import FIELDS, Expression, FieldType, iter_conditions

_MAX_TEXT: Final = 40
_MAX_FIELDS: Final = 8


@dataclass(frozen=True, slots=True)
class RuleInputs:
    """What the conditions of a rule read: the first eight fields, and the folded tags that they name."""

    fields: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()


NO_INPUTS: Final = RuleInputs()


def collect_inputs(expressions: Iterable[Expression]) -> RuleInputs:
    """Collect what the expressions of a rule read."""
    fields: dict[str, None] = {}
    tags: set[str] = set()
    for expression in expressions:
        for condition in iter_conditions(expression):
            if condition.field == "tags" and isinstance(condition.value, tuple):
                tags.update(fold(str(tag)) for tag in condition.value)
            else:
                fields[condition.field] = None
    return RuleInputs(tuple(fields)[:_MAX_FIELDS], frozenset(tags))


def evidence(inputs: RuleInputs, *, facts: Facts, customer: Customer) -> dict[str, object]:
    """The values of the fields that a rule reads, by field name; see `fact_value`.

    Of the tags, only those that the rule names are listed, unless it reads all of them.
    """
    values = {name: fact_value(name, facts=facts, customer=customer) for name in inputs.fields}
    if inputs.tags and "tags" not in values:
        values["tags"] = sorted(inputs.tags & facts.tags)
    return values


def fact_value(name: str, *, facts: Facts, customer: Customer) -> object:
    """The value of one field on the day of the facts, as it may be stored and shown.

    Money is in ten-thousandths, days are ISO dates, texts are cut at 40 characters, tags are the first eight. A
    personal field (e-mail, phone, note, names) is only True or False: whether it has a value.
    """
    field = FIELDS[name]
    value = getattr(facts, field.fact_names[0])
    if field.type is FieldType.TAGS:
        return sorted(facts.tags)[:_MAX_FIELDS]
    if field.is_personal:
        return value is not None
    if value is None:
        return None
    if field.type is FieldType.DATE:
        return date.fromordinal(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return str(getattr(customer, name, None) or value)[:_MAX_TEXT]
    return value
