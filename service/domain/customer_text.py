"""A whole explanation as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from service.domain.tags import fold
from service.domain.telling import lines, tell
from service.domain.verdicts import Coming, Explanation, RuleVerdict, TagVerdict, TierVerdict
from service.domain.words import Words


def customer_lines(told: Explanation, *, words: Words, tag: str = "") -> list[str]:
    """Everything, or with `tag` only what concerns that tag."""
    makers = [*_rules(told, words, tag), *_tiers(told, words, tag)]
    none = words("customer.no_rule", tag=tag) if tag else words("customer.no_rules")
    return [*_head(told, words), *_tags(told, words, tag), *(makers or ["", none])]


def say_state(one: RuleVerdict, *, words: Words) -> str:
    """What a rule says, on one line."""
    tag = one.source.tag
    if one.state == "kept":
        if one.until is None:
            return words("state.kept.forever", tag=tag)
        return words("state.kept.until", tag=tag, day=words.day(one.until))
    return words(f"state.{one.state}", tag=tag)


def say_tier(one: TierVerdict, *, words: Words) -> str:
    """Which level, and where it goes."""
    names = [level.tag for level in one.source.levels]
    now = words("tier.no_level") if one.now is None else words("tier.now", level=names[one.now])
    if one.excluded:
        return f"{now} · {words('state.excluded')}"
    earned = words("tier.no_longer") if one.earned is None else names[one.earned]
    if one.waits and one.until is not None:
        return f"{now} · {words('tier.waits.until', level=earned, day=words.day(one.until))}"
    if one.waits:
        return f"{now} · {words('tier.waits.forever', level=earned)}"
    if one.earned == one.now:
        return now
    goes = words("tier.goes_nowhere") if one.earned is None else words("tier.goes", level=earned)
    return f"{now} · {goes}"


def say_coming(coming: Coming | None, *, words: Words) -> str:
    """What time alone will do; '' for nothing."""
    if coming is None:
        return ""
    day = words.day(coming.day)
    said = [
        words(f"coming.{what}", tags=words.listed(tags), day=day)
        for what, tags in (("adds", coming.adds), ("removes", coming.removes))
        if tags
    ]
    return " ".join(said) if said else words("coming.nothing", day=day)


def say_whose(one: TagVerdict, told: Explanation, *, words: Words) -> str:
    """Who put a tag on."""
    day = words.day(date.fromordinal(told.compiled.day_of(one.since_ms))) if one.since_ms else ""
    rule = say_title(told, one.rule, words=words)
    key = "whose.others.since" if one.whose == "others" and day else f"whose.{one.whose}"
    said = words(key, rule=rule, day=day, version=one.version)
    return f"{said} · {words('whose.leaves')}" if one.leaves else said


def say_title(told: Explanation, rule: str, *, words: Words) -> str:
    """The name of a rule or tier; its id where nobody knows it any more. What is no rule at all begins with ~."""
    rule_set = told.compiled.rule_set
    makers = (*rule_set.all, *told.known.gone.values())
    named = next((one.title(words.language) for one in makers if one.id == rule), rule)
    return words(f"title.{rule}") if words.has(f"title.{rule}") else named


def _head(told: Explanation, words: Words) -> Iterator[str]:
    known = told.known
    yield words(
        "customer.head", customer=known.customer.id, day=words.day(known.today), version=known.version
    )
    changes = [*(f"+{tag}" for tag in told.add), *(f"−{tag}" for tag in told.remove)]
    yield words("customer.would_write", changes=", ".join(changes)) if changes else words("customer.nothing")
    if told.next_change is None:
        yield words("customer.never_changes")
    else:
        yield words("customer.next_change", day=words.day(told.next_change))


def _tags(told: Explanation, words: Words, tag: str) -> Iterator[str]:
    shown = [one for one in told.tags if not tag or fold(one.tag) == fold(tag)]
    if not told.tags or shown:
        yield ""
        yield words("customer.tags" if shown else "customer.no_tags")
    for one in shown:
        yield f"  {one.tag}: {say_whose(one, told, words=words)}"


def _rules(told: Explanation, words: Words, tag: str) -> Iterator[str]:
    shown = [one for one in told.rules if not tag or one.source.key == fold(tag)]
    if shown:
        yield ""
        yield words("customer.rules")
    for one in shown:
        yield f"  {one.source.source.title(words.language)} — {say_state(one, words=words)}"
        yield from (
            f"    {line}" for line in lines(one.found, words=words, currency=told.compiled.rule_set.currency)
        )
        yield from _taken_off(told, [one.source.key], words)
        if coming := say_coming(one.coming, words=words):
            yield f"    {coming}"


def _taken_off(told: Explanation, keys: Iterable[str], words: Words) -> Iterator[str]:
    """Tags that are not there because somebody took them off."""
    there = {fold(one.tag) for one in told.tags}
    for key in keys:
        touch = told.known.touches.get(key)
        if touch is not None and not touch.added and key not in there:
            day = words.day(told.compiled.day_of(touch.at_ms))
            yield f"    {words('touch.removed', tag=touch.tag, day=day)}"


def _tiers(told: Explanation, words: Words, tag: str) -> Iterator[str]:
    shown = [one for one in told.tiers if not tag or fold(tag) in one.source.keys]
    if shown:
        yield ""
        yield words("customer.tiers")
    for one in shown:
        yield f"  {one.source.source.title(words.language)} — {say_tier(one, words=words)}"
        yield from (f"    {line}" for line in _levels(told, one, words))
        yield from _taken_off(told, one.source.keys, words)
        if coming := say_coming(one.coming, words=words):
            yield f"    {coming}"


def _levels(told: Explanation, one: TierVerdict, words: Words) -> Iterator[str]:
    """The level that was earned, and what is missing to the one above it."""
    currency, levels = told.compiled.rule_set.currency, one.source.levels
    if one.earned is not None:
        yield f"{levels[one.earned].tag}: {tell(one.found[one.earned], words=words, currency=currency)}"
    above = len(levels) - 1 if one.earned is None else one.earned - 1
    if above < 0:
        yield words("tier.top")
    else:
        missing = tell(one.found[above], words=words, currency=currency)
        yield f"{words('tier.next', level=levels[above].tag)}: {missing}"
