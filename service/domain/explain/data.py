"""A whole explanation as plain data, for JSON."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from service.domain.customers import fold
from service.domain.explain.model import (
    CustomerExplanation,
    RuleExplanation,
    ScheduledChange,
    TierExplanation,
)
from service.domain.explain.text import describe_scheduled, describe_status, describe_tier
from service.domain.explain.trace_text import trace_data
from service.domain.explain.wording import Translator


def to_data(explanation: CustomerExplanation, *, translator: Translator, tag: str = "") -> dict[str, Any]:
    """Everything, or with `tag` only what concerns that tag; days are ISO dates, `text` is for people."""
    key, known = fold(tag), explanation.input
    return {
        "customer": known.customer.id,
        "day": _day(known.today),
        "version": known.version,
        "tags": [
            {"tag": one.tag, "whose": one.origin, "leaves": one.will_be_removed}
            | ({"rule": one.rule, "version": one.version} if one.rule else {})
            | ({"since_ms": one.since_ms} if one.since_ms else {})
            for one in explanation.tags
            if not tag or fold(one.tag) == key
        ],
        "add": list(explanation.add),
        "remove": list(explanation.remove),
        "next_change": _day(explanation.next_change),
        "rules": [
            _rule(explanation, one, translator) for one in explanation.rules if not tag or one.rule.key == key
        ],
        "tiers": [
            _tier(explanation, one, translator)
            for one in explanation.tiers
            if not tag or key in one.tier.level_by_tag
        ],
        "excluded": sorted(known.state.excluded_rules),
        "under_way": [
            {"tag": one.tag, "rule": one.rule, "version": one.version, "since_ms": one.at_ms}
            for one in known.intents.values()
        ],
        "stopped": sorted(known.suppressed),
        "changed_by_others": [
            touch._asdict()
            for key_, touch in sorted(known.external_changes.items())
            if not tag or key_ == key
        ],
    }


def _rule(told: CustomerExplanation, one: RuleExplanation, words: Translator) -> dict[str, Any]:
    currency = told.rule_set.rule_set.currency
    return {
        "id": one.rule.id,
        "name": one.rule.rule.display_name(words.language),
        "tag": one.rule.tag,
        "state": one.status,
        "text": describe_status(one, translator=words),
        "until": _day(one.until),
        "since": _day(one.hold.since_day) if one.hold is not None else None,
        "when": trace_data(one.trace, translator=words, currency=currency)
        | {"next_change": _day(one.scheduled.day) if one.scheduled is not None else None},
        "coming": _coming(one.scheduled, words),
    }


def _tier(told: CustomerExplanation, one: TierExplanation, words: Translator) -> dict[str, Any]:
    names = [level.tag for level in one.tier.levels]
    currency = told.rule_set.rule_set.currency
    return {
        "id": one.tier.id,
        "name": one.tier.tier.display_name(words.language),
        "now": None if one.current is None else names[one.current],
        "earned": None if one.earned is None else names[one.earned],
        "waits": one.is_waiting,
        "until": _day(one.until),
        "excluded": one.excluded,
        "text": describe_tier(one, translator=words),
        "levels": [
            {"tag": name, "when": trace_data(found, translator=words, currency=currency)}
            for name, found in zip(names, one.traces, strict=True)
        ],
        "coming": _coming(one.scheduled, words),
    }


def _coming(coming: ScheduledChange | None, words: Translator) -> dict[str, Any] | None:
    if coming is None:
        return None
    told = {"day": _day(coming.day), "adds": coming.adds, "removes": coming.removes}
    return {**msgspec.to_builtins(told), "text": describe_scheduled(coming, translator=words)}


def _day(ordinal: int | None) -> str | None:
    return None if ordinal is None else date.fromordinal(ordinal).isoformat()
