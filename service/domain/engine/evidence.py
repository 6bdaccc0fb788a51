"""Evidence: the values that a rule compared, as they are stored with every write and shown."""

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
    """What a rule's conditions read: fields (the first eight), and the tags that they name."""

    fields: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()


NO_INPUTS: Final = RuleInputs()


def collect_inputs(trees: Iterable[Expression]) -> RuleInputs:
    """Collect what some trees read."""
    fields: dict[str, None] = {}
    named: set[str] = set()
    for condition in (one for tree in trees for one in iter_conditions(tree)):
        if condition.field == "tags" and isinstance(condition.value, tuple):
            named.update(fold(str(tag)) for tag in condition.value)
        else:
            fields[condition.field] = None
    return RuleInputs(tuple(fields)[:_MAX_FIELDS], frozenset(named))


def evidence(inputs: RuleInputs, *, facts: Facts, customer: Customer) -> dict[str, object]:
    """The fields that a rule reads, as they are: money in ten-thousandths, days as ISO dates.

    Texts are cut at 40 characters; of the tags only those that the rule names; what a person wrote or can
    be reached by (email, phone, note, names) only says whether it is there.
    """
    found = {name: fact_value(name, facts=facts, customer=customer) for name in inputs.fields}
    if inputs.tags and "tags" not in found:
        found["tags"] = sorted(inputs.tags & facts.tags)
    return found


def fact_value(name: str, *, facts: Facts, customer: Customer) -> object:
    """One field's value on the day of the facts, fit to be kept and shown."""
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
