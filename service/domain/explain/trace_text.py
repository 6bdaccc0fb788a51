"""An explanation told: as plain data, as one line, or one condition a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from service.domain.customers import to_units
from service.domain.explain.sentences import describe_condition, format_value
from service.domain.explain.trace import ConditionTrace, GroupTrace, Trace
from service.domain.explain.wording import Translator
from service.domain.rules import FIELDS, FieldType, OperandType

YES: Final = "✔"
NO: Final = "✘"


def trace_data(
    trace: Trace, *, translator: Translator | None = None, currency: str = "VND"
) -> dict[str, Any]:
    """The findings as plain data, amounts in units; with `words` each comparison has its sentence too."""
    if isinstance(trace, GroupTrace):
        parts = [trace_data(part, translator=translator, currency=currency) for part in trace.parts]
        return {trace.kind: parts[0] if trace.kind == "not" else parts, "matched": trace.matched}
    told: dict[str, Any] = {
        "field": trace.condition.field,
        "op": trace.condition.op,
        "expected": value_as_json(trace.condition.field, trace.expected),
        "actual": value_as_json(trace.condition.field, trace.actual),
        "matched": trace.matched,
    }
    if trace.gap is not None:
        far: dict[str, Any] = msgspec.to_builtins(trace.gap)
        if "amount" in far:
            far["amount"] = value_as_json(trace.condition.field, far["amount"])
        told["distance"] = far
    if translator is not None:
        told["text"] = trace_line(trace, translator=translator, currency=currency)
    return told


def value_as_json(field: str, value: object) -> object:
    """A field's value as kept in an explanation or a ledger entry, with amounts in units (see `to_units`)."""
    if field not in FIELDS or FIELDS[field].type is not FieldType.MONEY:
        return value
    if isinstance(value, list):
        return [value_as_json(field, each) for each in value]
    return to_units(value) if isinstance(value, int) else value


def trace_line(trace: Trace, *, translator: Translator, currency: str) -> str:
    """The findings on one line: ✔ what holds, ✘ what does not, with the values and what is missing."""
    if isinstance(trace, ConditionTrace):
        return f"{YES if trace.matched else NO} {_told(trace, words=translator, currency=currency)}"
    if trace.kind == "not":
        return f"{YES if trace.matched else NO} {_negated(trace.parts[0], translator, currency)}"
    joint = " · " if trace.kind == "all" else f" {translator('joint.or')} "
    return joint.join(
        f"({trace_line(part, translator=translator, currency=currency)})"
        if isinstance(part, GroupTrace) and part.kind != "not" and len(part.parts) > 1
        else trace_line(part, translator=translator, currency=currency)
        for part in trace.parts
    )


def trace_lines(trace: Trace, *, translator: Translator, currency: str, indent: str = "") -> list[str]:
    """The findings one a line, groups indented: what a terminal shows."""
    if isinstance(trace, ConditionTrace) or trace.kind == "not":
        return [indent + trace_line(trace, translator=translator, currency=currency)]
    below = indent if trace.kind == "all" and not indent else f"{indent}  "
    head = (
        []
        if below == indent
        else [f"{indent}{YES if trace.matched else NO} {translator(f'group.{trace.kind}')}"]
    )
    return head + [
        line
        for part in trace.parts
        for line in trace_lines(part, translator=translator, currency=currency, indent=below)
    ]


def describe_gap(gap: ConditionTrace, *, translator: Translator, currency: str) -> str:
    """What is missing, in words; '' when nothing is, or nothing can be counted."""
    far = gap.gap
    if far is None:
        return ""
    if far.way == "wait":
        return translator("wait", value=translator.days(far.amount))
    if far.tags:
        return translator(_TAG_WAYS[far.way], value=translator.truncate_list(far.tags))
    kind = gap.condition.operator.field_type
    name = "window" if gap.condition.operator.operand_type is OperandType.DURATION else str(kind)
    if kind is FieldType.MONEY:
        amount = translator.money(far.amount, currency, up=True)
    elif kind is FieldType.DATE:
        amount = translator.days(far.amount)
    else:
        amount = (
            translator.plural("years", far.amount)
            if gap.condition.field == "age"
            else translator.number(far.amount)
        )
    return translator(f"{far.way}.{name}", value=amount)


_TAG_WAYS: Final[Mapping[str, str]] = {
    "lacks_tags": "lacks.tags",
    "lacks_any_tag": "lacks.any_tag",
    "exceeds_tags": "exceeds.tags",
}


def _told(found: ConditionTrace, *, words: Translator, currency: str, negated: bool = False) -> str:
    notes = [_actual(found, words, currency), describe_gap(found, translator=words, currency=currency)]
    told = ", ".join(note for note in notes if note)
    said = describe_condition(found.condition, translator=words, currency=currency, negated=negated)
    return f"{said} ({told})" if told else said


def _negated(found: Trace, words: Translator, currency: str) -> str:
    """A part under `not`, without a mark of its own; an operator that has an opposite says that."""
    if isinstance(found, ConditionTrace):
        if found.condition.operator.complement is not None:
            return _told(found, words=words, currency=currency, negated=True)
        return words("not", part=_told(found, words=words, currency=currency))
    return words("not", part=f"({trace_line(found, translator=words, currency=currency)})")


def _actual(found: ConditionTrace, words: Translator, currency: str) -> str:
    field, operator = found.condition.field, found.condition.operator
    if found.matched is found.required and (
        operator.field_type is FieldType.BOOL or operator.name == "is_empty"
    ):
        return ""  # the sentence has said it
    value = format_value(field, found.actual, translator=words, currency=currency)
    if found.actual is None or found.actual == [] or operator.field_type is FieldType.TEXT:
        return value
    key = f"actual.{field}"
    return words(key if words.has(key) else "actual", value=value)
