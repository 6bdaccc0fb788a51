"""A whole explanation as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from service.domain.customers import fold
from service.domain.explain.model import (
    CustomerExplanation,
    RuleExplanation,
    ScheduledChange,
    TagExplanation,
    TierExplanation,
)
from service.domain.explain.trace_text import trace_line, trace_lines
from service.domain.explain.wording import Translator


def render_text(explanation: CustomerExplanation, *, translator: Translator, tag: str = "") -> list[str]:
    """Everything, or with `tag` only what concerns that tag."""
    makers = [*_rules(explanation, translator, tag), *_tiers(explanation, translator, tag)]
    none = translator("customer.no_rule", tag=tag) if tag else translator("customer.no_rules")
    return [*_head(explanation, translator), *_tags(explanation, translator, tag), *(makers or ["", none])]


def describe_status(one: RuleExplanation, *, translator: Translator) -> str:
    """What a rule says, on one line."""
    tag = one.rule.tag
    if one.status == "kept":
        if one.until is None:
            return translator("state.kept.forever", tag=tag)
        return translator("state.kept.until", tag=tag, day=translator.day(one.until))
    return translator(f"state.{one.status}", tag=tag)


def describe_tier(one: TierExplanation, *, translator: Translator) -> str:
    """Which level, and where it goes."""
    names = [level.tag for level in one.tier.levels]
    now = (
        translator("tier.no_level")
        if one.current is None
        else translator("tier.now", level=names[one.current])
    )
    if one.excluded:
        return f"{now} · {translator('state.excluded')}"
    earned = translator("tier.no_longer") if one.earned is None else names[one.earned]
    if one.is_waiting and one.until is not None:
        return f"{now} · {translator('tier.waits.until', level=earned, day=translator.day(one.until))}"
    if one.is_waiting:
        return f"{now} · {translator('tier.waits.forever', level=earned)}"
    if one.earned == one.current:
        return now
    goes = translator("tier.goes_nowhere") if one.earned is None else translator("tier.goes", level=earned)
    return f"{now} · {goes}"


def describe_scheduled(scheduled: ScheduledChange | None, *, translator: Translator) -> str:
    """What time alone will do; '' for nothing."""
    if scheduled is None:
        return ""
    day = translator.day(scheduled.day)
    said = [
        translator(f"coming.{what}", tags=translator.join_list(tags), day=day)
        for what, tags in (("adds", scheduled.adds), ("removes", scheduled.removes))
        if tags
    ]
    return " ".join(said) if said else translator("coming.nothing", day=day)


def describe_origin(one: TagExplanation, explanation: CustomerExplanation, *, translator: Translator) -> str:
    """Who put a tag on."""
    day = (
        translator.day(date.fromordinal(explanation.rule_set.local_day(one.since_ms))) if one.since_ms else ""
    )
    rule = rule_title(explanation, one.rule, translator=translator)
    key = "whose.others.since" if one.origin == "others" and day else f"whose.{one.origin}"
    said = translator(key, rule=rule, day=day, version=one.version)
    return f"{said} · {translator('whose.leaves')}" if one.will_be_removed else said


def rule_title(explanation: CustomerExplanation, rule: str, *, translator: Translator) -> str:
    """The name of a rule or tier; its id where nobody knows it any more. What is no rule at all begins with ~."""
    rule_set = explanation.rule_set.rule_set
    makers = (*rule_set.all, *explanation.input.former_rules.values())
    named = next((one.display_name(translator.language) for one in makers if one.id == rule), rule)
    return translator(f"title.{rule}") if translator.has(f"title.{rule}") else named


def _head(told: CustomerExplanation, words: Translator) -> Iterator[str]:
    known = told.input
    yield words(
        "customer.head", customer=known.customer.id, day=words.day(known.today), version=known.version
    )
    changes = [*(f"+{tag}" for tag in told.add), *(f"−{tag}" for tag in told.remove)]
    yield words("customer.would_write", changes=", ".join(changes)) if changes else words("customer.nothing")
    if told.next_change is None:
        yield words("customer.never_changes")
    else:
        yield words("customer.next_change", day=words.day(told.next_change))


def _tags(told: CustomerExplanation, words: Translator, tag: str) -> Iterator[str]:
    shown = [one for one in told.tags if not tag or fold(one.tag) == fold(tag)]
    if not told.tags or shown:
        yield ""
        yield words("customer.tags" if shown else "customer.no_tags")
    for one in shown:
        yield f"  {one.tag}: {describe_origin(one, told, translator=words)}"


def _rules(told: CustomerExplanation, words: Translator, tag: str) -> Iterator[str]:
    shown = [one for one in told.rules if not tag or one.rule.key == fold(tag)]
    if shown:
        yield ""
        yield words("customer.rules")
    for one in shown:
        yield f"  {one.rule.rule.display_name(words.language)} — {describe_status(one, translator=words)}"
        yield from (
            f"    {line}"
            for line in trace_lines(one.trace, translator=words, currency=told.rule_set.rule_set.currency)
        )
        yield from _taken_off(told, [one.rule.key], words)
        if coming := describe_scheduled(one.scheduled, translator=words):
            yield f"    {coming}"


def _taken_off(told: CustomerExplanation, keys: Iterable[str], words: Translator) -> Iterator[str]:
    """Tags that are not there because somebody took them off."""
    there = {fold(one.tag) for one in told.tags}
    for key in keys:
        touch = told.input.external_changes.get(key)
        if touch is not None and not touch.added and key not in there:
            day = words.day(told.rule_set.local_day(touch.at_ms))
            yield f"    {words('touch.removed', tag=touch.tag, day=day)}"


def _tiers(told: CustomerExplanation, words: Translator, tag: str) -> Iterator[str]:
    shown = [one for one in told.tiers if not tag or fold(tag) in one.tier.level_by_tag]
    if shown:
        yield ""
        yield words("customer.tiers")
    for one in shown:
        yield f"  {one.tier.tier.display_name(words.language)} — {describe_tier(one, translator=words)}"
        yield from (f"    {line}" for line in _levels(told, one, words))
        yield from _taken_off(told, one.tier.level_by_tag, words)
        if coming := describe_scheduled(one.scheduled, translator=words):
            yield f"    {coming}"


def _levels(told: CustomerExplanation, one: TierExplanation, words: Translator) -> Iterator[str]:
    """The level that was earned, and what is missing to the one above it."""
    currency, levels = told.rule_set.rule_set.currency, one.tier.levels
    if one.earned is not None:
        yield f"{levels[one.earned].tag}: {trace_line(one.traces[one.earned], translator=words, currency=currency)}"
    above = len(levels) - 1 if one.earned is None else one.earned - 1
    if above < 0:
        yield words("tier.top")
    else:
        missing = trace_line(one.traces[above], translator=words, currency=currency)
        yield f"{words('tier.next', level=levels[above].tag)}: {missing}"
