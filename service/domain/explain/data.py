"""An explanation as plain data, for JSON. Amounts are in units, days are ISO dates, `text` is for people."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from service.domain.customers import fold, to_units
from service.domain.explain.model import (
    CustomerExplanation,
    RuleExplanation,
    ScheduledChange,
    TierExplanation,
)
from service.domain.explain.text import describe_scheduled, describe_status, describe_tier, trace_line
from service.domain.explain.trace import GroupTrace, Trace
from service.domain.explain.wording import Translator
from service.domain.rules import FIELDS, FieldType


def to_data(explanation: CustomerExplanation, *, translator: Translator, tag: str = "") -> dict[str, Any]:
    """Return the explanation as plain data; with `tag`, only what concerns that tag."""
    key, inputs = fold(tag), explanation.input
    return {
        "customer": inputs.customer.id,
        "day": _iso_day(inputs.today),
        "version": inputs.version,
        "tags": [
            {"tag": item.tag, "owner": item.origin, "leaves": item.will_be_removed}
            | ({"rule": item.rule, "version": item.version} if item.rule else {})
            | ({"since_ms": item.since_ms} if item.since_ms else {})
            for item in explanation.tags
            if not tag or fold(item.tag) == key
        ],
        "add": list(explanation.add),
        "remove": list(explanation.remove),
        "next_change": _iso_day(explanation.next_change),
        "rules": [
            _rule(explanation, rule, translator)
            for rule in explanation.rules
            if not tag or rule.rule.key == key
        ],
        "tiers": [
            _tier(explanation, tier, translator)
            for tier in explanation.tiers
            if not tag or key in tier.tier.level_by_tag
        ],
        "excluded": sorted(inputs.state.excluded_rules),
        "under_way": [
            {"tag": intent.tag, "rule": intent.rule, "version": intent.version, "since_ms": intent.at_ms}
            for intent in inputs.intents.values()
        ],
        "stopped": sorted(inputs.suppressed),
        "changed_by_others": [
            change._asdict()
            for changed_key, change in sorted(inputs.external_changes.items())
            if not tag or changed_key == key
        ],
    }


def trace_data(
    trace: Trace, *, translator: Translator | None = None, currency: str = "VND"
) -> dict[str, Any]:
    """Return a trace as plain data; with `translator`, each condition has its sentence too."""
    if isinstance(trace, GroupTrace):
        parts = [trace_data(part, translator=translator, currency=currency) for part in trace.parts]
        return {trace.kind: parts[0] if trace.kind == "not" else parts, "matched": trace.matched}
    field = trace.condition.field
    data: dict[str, Any] = {
        "field": field,
        "op": trace.condition.op,
        "expected": value_as_json(field, trace.expected),
        "actual": value_as_json(field, trace.actual),
        "matched": trace.matched,
    }
    if trace.missing is not None:
        data["missing"] = trace.missing
    if trace.is_future:
        data["future"] = True
    if trace.gap is not None:
        gap: dict[str, Any] = msgspec.to_builtins(trace.gap)
        if "amount" in gap:
            gap["amount"] = value_as_json(field, gap["amount"])
        data["distance"] = gap
    if translator is not None:
        data["text"] = trace_line(trace, translator=translator, currency=currency)
    return data


def value_as_json(field: str, value: object) -> object:
    """Return a field's value, as a trace or the ledger has it, with amounts in units (see `to_units`)."""
    if field not in FIELDS or FIELDS[field].type is not FieldType.MONEY:
        return value
    if isinstance(value, list):
        return [value_as_json(field, item) for item in value]
    return to_units(value) if isinstance(value, int) else value


def _rule(explanation: CustomerExplanation, rule: RuleExplanation, translator: Translator) -> dict[str, Any]:
    currency = explanation.rule_set.rule_set.currency
    return {
        "id": rule.rule.id,
        "name": rule.rule.rule.display_name(translator.language),
        "tag": rule.rule.tag,
        "state": rule.status,
        "text": describe_status(rule, translator=translator),
        "until": _iso_day(rule.until),
        "since": _iso_day(rule.hold.since_day) if rule.hold is not None else None,
        "missing": dict(rule.missing),
        "when": trace_data(rule.trace, translator=translator, currency=currency)
        | {"next_change": _iso_day(rule.scheduled.day) if rule.scheduled is not None else None},
        "coming": _scheduled(rule.scheduled, translator),
    }


def _tier(explanation: CustomerExplanation, tier: TierExplanation, translator: Translator) -> dict[str, Any]:
    tags = [level.tag for level in tier.tier.levels]
    currency = explanation.rule_set.rule_set.currency
    return {
        "id": tier.tier.id,
        "name": tier.tier.tier.display_name(translator.language),
        "now": None if tier.current is None else tags[tier.current],
        "earned": None if tier.earned is None else tags[tier.earned],
        "waits": tier.is_waiting,
        "until": _iso_day(tier.until),
        "excluded": tier.is_excluded,
        "missing": dict(tier.missing),
        "text": describe_tier(tier, translator=translator),
        "levels": [
            {"tag": tag, "when": trace_data(trace, translator=translator, currency=currency)}
            for tag, trace in zip(tags, tier.traces, strict=True)
        ],
        "coming": _scheduled(tier.scheduled, translator),
    }


def _scheduled(scheduled: ScheduledChange | None, translator: Translator) -> dict[str, Any] | None:
    if scheduled is None:
        return None
    return {
        "day": _iso_day(scheduled.day),
        "adds": list(scheduled.adds),
        "removes": list(scheduled.removes),
        "text": describe_scheduled(scheduled, translator=translator),
    }


def _iso_day(ordinal: int | None) -> str | None:
    return None if ordinal is None else date.fromordinal(ordinal).isoformat()
