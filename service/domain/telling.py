"""An explanation told: as plain data, as one line, or one condition a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from service.domain.explanation import Finding, Findings, Found
from service.domain.fields import FIELDS, Kind
from service.domain.money import to_units
from service.domain.sentences import say_condition, say_value
from service.domain.values import Takes
from service.domain.words import Words

YES: Final = "✔"
NO: Final = "✘"


def as_json(found: Found, *, words: Words | None = None, currency: str = "VND") -> dict[str, Any]:
    """The findings as plain data, amounts in units; with `words` each comparison has its sentence too."""
    if isinstance(found, Findings):
        parts = [as_json(part, words=words, currency=currency) for part in found.parts]
        return {found.kind: parts[0] if found.kind == "not" else parts, "matched": found.matched}
    told: dict[str, Any] = {
        "field": found.source.field,
        "op": found.source.op,
        "expected": value_as_json(found.source.field, found.expected),
        "actual": value_as_json(found.source.field, found.actual),
        "matched": found.matched,
    }
    if found.distance is not None:
        far: dict[str, Any] = msgspec.to_builtins(found.distance)
        if "amount" in far:
            far["amount"] = value_as_json(found.source.field, far["amount"])
        told["distance"] = far
    if words is not None:
        told["text"] = tell(found, words=words, currency=currency)
    return told


def value_as_json(field: str, value: object) -> object:
    """A field's value as kept in an explanation or a ledger entry, with amounts in units (see `to_units`)."""
    if field not in FIELDS or FIELDS[field].kind is not Kind.MONEY:
        return value
    if isinstance(value, list):
        return [value_as_json(field, each) for each in value]
    return to_units(value) if isinstance(value, int) else value


def tell(found: Found, *, words: Words, currency: str) -> str:
    """The findings on one line: ✔ what holds, ✘ what does not, with the values and what is missing."""
    if isinstance(found, Finding):
        return f"{YES if found.matched else NO} {_told(found, words=words, currency=currency)}"
    if found.kind == "not":
        return f"{YES if found.matched else NO} {_negated(found.parts[0], words, currency)}"
    joint = " · " if found.kind == "all" else f" {words('joint.or')} "
    return joint.join(
        f"({tell(part, words=words, currency=currency)})"
        if isinstance(part, Findings) and part.kind != "not" and len(part.parts) > 1
        else tell(part, words=words, currency=currency)
        for part in found.parts
    )


def lines(found: Found, *, words: Words, currency: str, indent: str = "") -> list[str]:
    """The findings one a line, groups indented: what a terminal shows."""
    if isinstance(found, Finding) or found.kind == "not":
        return [indent + tell(found, words=words, currency=currency)]
    below = indent if found.kind == "all" and not indent else f"{indent}  "
    head = (
        [] if below == indent else [f"{indent}{YES if found.matched else NO} {words(f'group.{found.kind}')}"]
    )
    return head + [
        line for part in found.parts for line in lines(part, words=words, currency=currency, indent=below)
    ]


def tell_distance(found: Finding, *, words: Words, currency: str) -> str:
    """What is missing, in words; '' when nothing is, or nothing can be counted."""
    far = found.distance
    if far is None:
        return ""
    if far.way == "wait":
        return words("wait", value=words.days(far.amount))
    if far.tags:
        return words(_TAG_WAYS[far.way], value=words.shortened(far.tags))
    kind = found.source.operator.kind
    name = "window" if found.source.operator.takes is Takes.SPAN else str(kind)
    if kind is Kind.MONEY:
        amount = words.money(far.amount, currency, up=True)
    elif kind is Kind.DATE:
        amount = words.days(far.amount)
    else:
        amount = (
            words.counted("years", far.amount) if found.source.field == "age" else words.number(far.amount)
        )
    return words(f"{far.way}.{name}", value=amount)


_TAG_WAYS: Final[Mapping[str, str]] = {
    "lacks_tags": "lacks.tags",
    "lacks_any_tag": "lacks.any_tag",
    "exceeds_tags": "exceeds.tags",
}


def _told(found: Finding, *, words: Words, currency: str, negated: bool = False) -> str:
    notes = [_actual(found, words, currency), tell_distance(found, words=words, currency=currency)]
    told = ", ".join(note for note in notes if note)
    said = say_condition(found.source, words=words, currency=currency, negated=negated)
    return f"{said} ({told})" if told else said


def _negated(found: Found, words: Words, currency: str) -> str:
    """A part under `not`, without a mark of its own; an operator that has an opposite says that."""
    if isinstance(found, Finding):
        if found.source.operator.twin is not None:
            return _told(found, words=words, currency=currency, negated=True)
        return words("not", part=_told(found, words=words, currency=currency))
    return words("not", part=f"({tell(found, words=words, currency=currency)})")


def _actual(found: Finding, words: Words, currency: str) -> str:
    field, operator = found.source.field, found.source.operator
    if found.matched is found.needed and (operator.kind is Kind.BOOL or operator.name == "is_empty"):
        return ""  # the sentence has said it
    value = say_value(field, found.actual, words=words, currency=currency)
    if found.actual is None or found.actual == [] or operator.kind is Kind.TEXT:
        return value
    key = f"actual.{field}"
    return words(key if words.has(key) else "actual", value=value)
