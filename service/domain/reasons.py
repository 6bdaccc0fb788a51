"""Why a tag came, went or stayed: small enough to be kept with every write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import msgspec

from service.domain.conditions import Tree, comparisons
from service.domain.customers import Customer
from service.domain.facts import Facts
from service.domain.fields import FIELDS, Kind
from service.domain.standing import Stood
from service.domain.tags import fold

Why = Literal["matched", "unmatched", "outranked", "gone", "taken_back", "renamed", "restored"]
WhyHeld = Literal["kept", "downgrade", "not_ours", "left", "excluded"]
_MOST_TEXT: Final = 40
_MOST_FIELDS: Final = 8


class Reason(msgspec.Struct, frozen=True):
    """Why a tag is added or removed: the rule or tier, and the values that decided.

    `why`: 'matched' · 'unmatched' (no longer matches) · 'outranked' (another level won) · 'gone' (its rule
    was deleted, disabled or renamed) · 'taken_back' (a roll-back undid what gave it) · 'renamed' (a kept
    tag follows its rule's new name) · 'restored' (a roll-back undid what took it). `values`: field -> value
    on that day, see `values_of`. `stood`: how a tag stood that is removed. `rule` is empty for a tag that
    is put back and was not ours.
    """

    tag: str
    added: bool
    rule: str
    why: Why
    values: dict[str, object]
    stood: Stood | None = None


class HeldBack(msgspec.Struct, frozen=True):
    """A tag that no rule gives now and that stays all the same, or that an exclusion withholds.

    `why`: 'kept' (`keep`) · 'downgrade' · 'not_ours' (a person put it on) · 'left' (`when_gone: leave`) ·
    'excluded'. `until`: the day (ordinal) on which it may go; None when no day will change that.
    """

    tag: str
    rule: str
    why: WhyHeld
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a rule's conditions read: fields (the first eight), and the tags that they name."""

    fields: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()


NO_INPUTS: Final = Inputs()


def inputs_of(trees: Iterable[Tree]) -> Inputs:
    """Collect what some trees read."""
    fields: dict[str, None] = {}
    named: set[str] = set()
    for condition in (one for tree in trees for one in comparisons(tree)):
        if condition.field == "tags" and isinstance(condition.value, tuple):
            named.update(fold(str(tag)) for tag in condition.value)
        else:
            fields[condition.field] = None
    return Inputs(tuple(fields)[:_MOST_FIELDS], frozenset(named))


def values_of(inputs: Inputs, *, facts: Facts, customer: Customer) -> dict[str, object]:
    """The fields that a rule reads, as they are: money in ten-thousandths, days as ISO dates.

    Texts are cut at 40 characters; of the tags only those that the rule names; what a person wrote or can
    be reached by (email, phone, note, names) only says whether it is there.
    """
    found = {name: actual(name, facts=facts, customer=customer) for name in inputs.fields}
    if inputs.tags and "tags" not in found:
        found["tags"] = sorted(inputs.tags & facts.tags)
    return found


def actual(name: str, *, facts: Facts, customer: Customer) -> object:
    """One field's value on the day of the facts, fit to be kept and shown."""
    field = FIELDS[name]
    value = getattr(facts, field.facts[0])
    if field.kind is Kind.TAGS:
        return sorted(facts.tags)[:_MOST_FIELDS]
    if field.personal:
        return value is not None
    if value is None:
        return None
    if field.kind is Kind.DATE:
        return date.fromordinal(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return str(getattr(customer, name, None) or value)[:_MOST_TEXT]
    return value
