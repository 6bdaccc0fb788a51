"""A whole explanation as plain data, for JSON."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from service.domain.customer_text import say_coming, say_state, say_tier
from service.domain.tags import fold
from service.domain.telling import as_json
from service.domain.verdicts import Coming, Explanation, RuleVerdict, TierVerdict
from service.domain.words import Words


def customer_data(told: Explanation, *, words: Words, tag: str = "") -> dict[str, Any]:
    """Everything, or with `tag` only what concerns that tag; days are ISO dates, `text` is for people."""
    key, known = fold(tag), told.known
    return {
        "customer": known.customer.id,
        "day": _day(known.today),
        "version": known.version,
        "tags": [
            {"tag": one.tag, "whose": one.whose, "leaves": one.leaves}
            | ({"rule": one.rule, "version": one.version} if one.rule else {})
            | ({"since_ms": one.since_ms} if one.since_ms else {})
            for one in told.tags
            if not tag or fold(one.tag) == key
        ],
        "add": list(told.add),
        "remove": list(told.remove),
        "next_change": _day(told.next_change),
        "rules": [_rule(told, one, words) for one in told.rules if not tag or one.source.key == key],
        "tiers": [_tier(told, one, words) for one in told.tiers if not tag or key in one.source.keys],
        "excluded": sorted(known.standing.excluded),
        "under_way": [
            {"tag": one.tag, "rule": one.rule, "version": one.version, "since_ms": one.at_ms}
            for one in known.intents.values()
        ],
        "stopped": sorted(known.stopped),
        "changed_by_others": [
            touch._asdict() for key_, touch in sorted(known.touches.items()) if not tag or key_ == key
        ],
    }


def _rule(told: Explanation, one: RuleVerdict, words: Words) -> dict[str, Any]:
    currency = told.compiled.rule_set.currency
    return {
        "id": one.source.id,
        "name": one.source.source.title(words.language),
        "tag": one.source.tag,
        "state": one.state,
        "text": say_state(one, words=words),
        "until": _day(one.until),
        "since": _day(one.hold.since) if one.hold is not None else None,
        "when": as_json(one.found, words=words, currency=currency)
        | {"next_change": _day(one.coming.day) if one.coming is not None else None},
        "coming": _coming(one.coming, words),
    }


def _tier(told: Explanation, one: TierVerdict, words: Words) -> dict[str, Any]:
    names = [level.tag for level in one.source.levels]
    currency = told.compiled.rule_set.currency
    return {
        "id": one.source.id,
        "name": one.source.source.title(words.language),
        "now": None if one.now is None else names[one.now],
        "earned": None if one.earned is None else names[one.earned],
        "waits": one.waits,
        "until": _day(one.until),
        "excluded": one.excluded,
        "text": say_tier(one, words=words),
        "levels": [
            {"tag": name, "when": as_json(found, words=words, currency=currency)}
            for name, found in zip(names, one.found, strict=True)
        ],
        "coming": _coming(one.coming, words),
    }


def _coming(coming: Coming | None, words: Words) -> dict[str, Any] | None:
    if coming is None:
        return None
    told = {"day": _day(coming.day), "adds": coming.adds, "removes": coming.removes}
    return {**msgspec.to_builtins(told), "text": say_coming(coming, words=words)}


def _day(ordinal: int | None) -> str | None:
    return None if ordinal is None else date.fromordinal(ordinal).isoformat()
