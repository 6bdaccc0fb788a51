"""Why a condition holds or not: the same tree, with what was compared and what is missing at every leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from service.domain.branches import Branch, Comparison
from service.domain.conditions import AllOf, AnyOf, Condition
from service.domain.customers import Customer
from service.domain.distance import Distance, distance
from service.domain.facts import Facts
from service.domain.fields import Kind
from service.domain.reasons import actual
from service.domain.values import Takes


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison and what came of it.

    `expected` and `actual`: money in ten-thousandths, lengths of time in days, days as ISO dates; of personal
    fields only whether there is something. `needed`: the answer that the rule needs here (False under `not`).
    """

    source: Condition
    expected: object
    actual: object
    matched: bool
    needed: bool
    distance: Distance | None


@dataclass(frozen=True, slots=True)
class Findings:
    """A group and what came of its parts."""

    kind: Literal["all", "any", "not"]
    parts: tuple[Found, ...]
    matched: bool
    needed: bool


Found = Finding | Findings


def explain(
    branch: Branch,
    *,
    facts: Facts,
    customer: Customer,
    own: frozenset[str] = frozenset(),
    spelled: Mapping[str, str] | None = None,
    needed: bool = True,
) -> Found:
    """Walk a compiled tree over one customer's facts.

    `own`: the folded tags that the asking rule sets itself; `spelled`: folded tag -> the record's spelling.
    """
    if isinstance(branch, Comparison):
        return Finding(
            source=branch.source,
            expected=_expected(branch),
            actual=_seen(branch, facts, customer, spelled or {}),
            matched=branch.matches(facts),
            needed=needed,
            distance=distance(branch, facts, needed=needed, own=own, spelled=spelled),
        )
    kind: Literal["all", "any", "not"] = (
        "all" if isinstance(branch.source, AllOf) else "any" if isinstance(branch.source, AnyOf) else "not"
    )
    parts = tuple(
        explain(
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
    return Findings(kind, parts, matched, needed)


def _seen(test: Comparison, facts: Facts, customer: Customer, spelled: Mapping[str, str]) -> object:
    if test.field.kind is Kind.TAGS:
        return sorted(spelled.get(key, key) for key in facts.tags)
    return actual(test.field.name, facts=facts, customer=customer)


def _expected(test: Comparison) -> object:
    """The value compared with, as plain data: numbers as compared, texts and lists as authored."""
    match test.operator.takes:
        case Takes.NOTHING:
            return None
        case Takes.DAY:
            return date.fromordinal(test.value).isoformat() if isinstance(test.value, int) else None
        case Takes.AMOUNT | Takes.COUNT | Takes.SPAN | Takes.MONTH | Takes.FLAG:
            return test.value
        case Takes.AMOUNTS | Takes.COUNTS:
            return list(test.value) if isinstance(test.value, tuple) else None
    authored = test.source.value
    return list(authored) if isinstance(authored, tuple) else authored
