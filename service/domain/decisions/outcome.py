"""The outcome of a decision for one tag, and the evidence that is stored with every write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import msgspec

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold
from service.domain.decisions.state import UndoRecord
from service.domain.engine.facts import Facts
from service.domain.rules.conditions import Expression, iter_conditions
from service.domain.rules.fields import FIELDS, FieldType

Effect = Literal["add", "remove", "retain", "have", "withhold"]
ChangeCause = Literal["matched", "unmatched", "outranked", "gone", "taken_back", "renamed", "restored"]
RetainCause = Literal["kept", "downgrade", "not_ours", "left", "excluded"]
Cause = ChangeCause | RetainCause
_MOST_TEXT: Final = 40
_MOST_FIELDS: Final = 8


class TagOutcome(msgspec.Struct, frozen=True, gc=False):
    """What a decision does with one tag, and why.

    Effects and their causes:

    - `add`: `matched`; `renamed` (a kept tag follows its rule's new name); `restored` (a roll-back undid its removal).
    - `remove`: `unmatched` (its rule no longer matches); `outranked` (another level of the tier won); `gone` (its
      rule was deleted, disabled or renamed); `taken_back` (a roll-back undid what added it).
    - `retain`: no rule gives the tag, and it stays: `kept` (`keep`), `downgrade`, `not_ours` (a person added it),
      `left` (`when_gone: leave`), `excluded`.
    - `have`: `matched`; the customer has the tag already.
    - `withhold`: `excluded`; a rule would give the tag, and the customer is excluded from it.

    A tag has one outcome, with two exceptions. Each hold is an outcome of its own: a tag that two rules keep is
    retained twice, and a tag that is added as `renamed` is also retained. A tag that is added as `restored` also has
    the outcome that it has as if it had stayed.

    `tag` is spelled as the record has it, or as the rule does if the record has it not. `rule` is the id of the rule
    or tier; empty for `have`, and for a restored tag that we do not own. `until`: the day (ordinal) on which a
    retained tag may be removed, None if no day changes that. `evidence`: of an added or removed tag, the values on
    that day, see `evidence`. `undo`: of a removed tag, what a roll-back needs to restore it.
    """

    effect: Effect
    tag: str
    cause: Cause
    rule: str = ""
    until: int | None = None
    evidence: dict[str, object] = {}  # msgspec copies an empty default
    undo: UndoRecord | None = None


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
    return RuleInputs(tuple(fields)[:_MOST_FIELDS], frozenset(named))


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
        return sorted(facts.tags)[:_MOST_FIELDS]
    if field.is_personal:
        return value is not None
    if value is None:
        return None
    if field.type is FieldType.DATE:
        return date.fromordinal(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return str(getattr(customer, name, None) or value)[:_MOST_TEXT]
    return value
