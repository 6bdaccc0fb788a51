"""An explanation as text: lines for a terminal, and traces on one line or one condition a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

from service.domain.customers import MissingReason, fold
from service.domain.explain.model import (
    CustomerExplanation,
    RuleExplanation,
    ScheduledChange,
    TagExplanation,
    TierExplanation,
)
from service.domain.explain.sentences import describe_condition, format_value
from service.domain.explain.trace import ConditionTrace, GroupTrace, Trace
from service.domain.explain.wording import Translator
from service.domain.rules import FieldType, OperandType

YES: Final = "✔"
NO: Final = "✘"
UNKNOWN: Final = "?"
_TAG_GAPS: Final[Mapping[str, str]] = {
    "lacks_tags": "lacks.tags",
    "lacks_any_tag": "lacks.any_tag",
    "exceeds_tags": "exceeds.tags",
}


def render_text(explanation: CustomerExplanation, *, translator: Translator, tag: str = "") -> list[str]:
    """Return the explanation as lines; with `tag`, only what concerns that tag."""
    rules = [*_rules(explanation, translator, tag), *_tiers(explanation, translator, tag)]
    no_rule = translator("customer.no_rule", tag=tag) if tag else translator("customer.no_rules")
    return [
        *_head(explanation, translator),
        *_tags(explanation, translator, tag),
        *(rules or ["", no_rule]),
    ]


def describe_status(rule: RuleExplanation, *, translator: Translator) -> str:
    """Say on one line whether the customer has the rule's tag, and why."""
    tag = rule.rule.tag
    if rule.status == "undecided":
        return describe_undecided(rule.missing, translator=translator)
    if rule.status == "kept":
        if rule.until is None:
            return translator("state.kept.forever", tag=tag)
        return translator("state.kept.until", tag=tag, day=translator.day(rule.until))
    return translator(f"state.{rule.status}", tag=tag)


def describe_undecided(missing: Mapping[str, MissingReason], *, translator: Translator) -> str:
    """Say that nothing is decided, and which fields the record lacks for which reason."""
    causes: list[str] = []
    for reason in MissingReason:
        names = [translator(f"field.{name}") for name, why in missing.items() if why is reason]
        if names:
            fields = translator.join_list(f"{name[0].lower()}{name[1:]}" for name in names)
            causes.append(translator(f"undecided.{reason}", fields=fields))
    return translator("state.undecided", why="; ".join(causes))


def describe_tier(tier: TierExplanation, *, translator: Translator) -> str:
    """Say on one line which level the customer has, and which level comes next."""
    tags = [level.tag for level in tier.tier.levels]
    current = (
        translator("tier.no_level")
        if tier.current is None
        else translator("tier.now", level=tags[tier.current])
    )
    if tier.is_excluded:
        return f"{current} · {translator('state.excluded')}"
    if tier.missing:
        return f"{current} · {describe_undecided(tier.missing, translator=translator)}"
    if tier.is_waiting:
        return f"{current} · {_describe_lost_level(tier, translator)}"
    if tier.earned == tier.current:
        return current
    if tier.earned is None:
        return f"{current} · {translator('tier.goes_nowhere')}"
    return f"{current} · {translator('tier.goes', level=tags[tier.earned])}"


def describe_scheduled(scheduled: ScheduledChange | None, *, translator: Translator) -> str:
    """Say what time alone will change; '' for None."""
    if scheduled is None:
        return ""
    day = translator.day(scheduled.day)
    sentences = [
        translator(f"coming.{effect}", tags=translator.join_list(tags), day=day)
        for effect, tags in (("adds", scheduled.adds), ("removes", scheduled.removes))
        if tags
    ]
    return " ".join(sentences) if sentences else translator("coming.nothing", day=day)


def describe_origin(tag: TagExplanation, explanation: CustomerExplanation, *, translator: Translator) -> str:
    """Say who added a tag, when, and whether it will be removed."""
    local_day = explanation.rule_set.local_day
    day = translator.day(date.fromordinal(local_day(tag.since_ms))) if tag.since_ms else ""
    rule = rule_title(explanation, tag.rule, translator=translator)
    key = "owner.others.since" if tag.origin == "others" and day else f"owner.{tag.origin}"
    text = translator(key, rule=rule, day=day, version=tag.version)
    return f"{text} · {translator('owner.leaves')}" if tag.will_be_removed else text


def rule_title(explanation: CustomerExplanation, rule_id: str, *, translator: Translator) -> str:
    """Return the name of a rule or tier, or its id if no known version has it.

    An id that begins with ~ is no rule: the catalog has its title.
    """
    if translator.has(f"title.{rule_id}"):
        return translator(f"title.{rule_id}")
    rules = (*explanation.rule_set.rule_set.all, *explanation.input.former_rules.values())
    return next((rule.display_name(translator.language) for rule in rules if rule.id == rule_id), rule_id)


def trace_line(trace: Trace, *, translator: Translator, currency: str) -> str:
    """Return a trace on one line: ✔, ✘ or ? before each condition, the actual value and the gap behind it."""
    mark = _mark(trace)
    if isinstance(trace, ConditionTrace):
        return f"{mark} {_condition(trace, translator, currency)}"
    if trace.kind == "not":
        return f"{mark} {_negated(trace.parts[0], translator, currency)}"
    joint = " · " if trace.kind == "all" else f" {translator('joint.or')} "
    return joint.join(
        f"({trace_line(part, translator=translator, currency=currency)})"
        if isinstance(part, GroupTrace) and part.kind != "not" and len(part.parts) > 1
        else trace_line(part, translator=translator, currency=currency)
        for part in trace.parts
    )


class TraceLine(NamedTuple):
    """One line of a trace: ✔, ✘ or ? and the condition, or the heading of a group. `depth` counts the groups around it."""

    depth: int
    mark: str
    text: str


def trace_outline(trace: Trace, *, translator: Translator, currency: str, depth: int = 0) -> list[TraceLine]:
    """Return a trace with one condition a line. An outermost `all` has no heading."""
    if isinstance(trace, ConditionTrace) or trace.kind == "not":
        mark, _, text = trace_line(trace, translator=translator, currency=currency).partition(" ")
        return [TraceLine(depth, mark, text)]
    is_outermost = trace.kind == "all" and not depth
    parts_depth = depth if is_outermost else depth + 1
    heading = [] if is_outermost else [TraceLine(depth, _mark(trace), translator(f"group.{trace.kind}"))]
    return heading + [
        line
        for part in trace.parts
        for line in trace_outline(part, translator=translator, currency=currency, depth=parts_depth)
    ]


def trace_lines(trace: Trace, *, translator: Translator, currency: str) -> list[str]:
    """Return a trace with one condition a line and indented groups, as a terminal shows it."""
    outline = trace_outline(trace, translator=translator, currency=currency)
    return [f"{'  ' * line.depth}{line.mark} {line.text}" for line in outline]


def _mark(trace: Trace) -> str:
    return UNKNOWN if trace.matched is None else YES if trace.matched else NO


def describe_gap(trace: ConditionTrace, *, translator: Translator, currency: str) -> str:
    """Say what is missing; '' if nothing is, or if it cannot be counted."""
    gap = trace.gap
    if gap is None:
        return ""
    if gap.kind == "wait":
        if (
            trace.condition.operator.field_type is FieldType.ANNIVERSARY
        ):  # the days to the birthday are others
            return translator("wait.birthday", value=translator.days(gap.amount), day=translator.day(gap.on))
        return translator("wait", value=translator.days(gap.amount))
    if gap.tags:
        return translator(_TAG_GAPS[gap.kind], value=translator.truncate_list(gap.tags))
    operator = trace.condition.operator
    unit = "window" if operator.operand_type is OperandType.DURATION else str(operator.field_type)
    if operator.field_type is FieldType.MONEY:
        amount = translator.money(gap.amount, currency, up=True)
    elif operator.field_type is FieldType.DATE:
        amount = translator.days(gap.amount)
    elif trace.condition.field == "age":
        amount = translator.plural("years", gap.amount)
    else:
        amount = translator.number(gap.amount)
    return translator(f"{gap.kind}.{unit}", value=amount)


def _condition(trace: ConditionTrace, translator: Translator, currency: str, *, negated: bool = False) -> str:
    notes = [
        translator(f"missing.{trace.missing}") if trace.missing else _actual(trace, translator, currency),
        translator("future") if trace.is_future else "",
        describe_gap(trace, translator=translator, currency=currency),
    ]
    # A list of tags has commas itself.
    note = ("; " if trace.gap and trace.gap.tags else ", ").join(filter(None, notes))
    text = describe_condition(trace.condition, translator=translator, currency=currency, negated=negated)
    return f"{text} ({note})" if note else text


def _negated(trace: Trace, translator: Translator, currency: str) -> str:
    """The part of a `not`, without a mark of its own. An operator with a complement is named by it."""
    if isinstance(trace, ConditionTrace):
        if trace.condition.operator.complement is not None:
            return _condition(trace, translator, currency, negated=True)
        return translator("not", part=_condition(trace, translator, currency))
    return translator("not", part=f"({trace_line(trace, translator=translator, currency=currency)})")


def _actual(trace: ConditionTrace, translator: Translator, currency: str) -> str:
    field, operator = trace.condition.field, trace.condition.operator
    if trace.matched is trace.required and (
        operator.field_type is FieldType.BOOL or operator.name == "is_empty"
    ):
        return ""  # the sentence says it already
    value = format_value(field, trace.actual, translator=translator, currency=currency)
    if trace.actual is None or trace.actual == [] or operator.field_type is FieldType.TEXT:
        return value
    key = f"actual.{field}"
    return translator(key if translator.has(key) else "actual", value=value)


def _head(explanation: CustomerExplanation, translator: Translator) -> Iterator[str]:
    inputs, next_change = explanation.input, explanation.next_change
    yield translator(
        "customer.head",
        customer=inputs.customer.id,
        day=translator.day(inputs.today),
        version=inputs.version,
    )
    changes = [*(f"+{tag}" for tag in explanation.add), *(f"−{tag}" for tag in explanation.remove)]
    if changes:
        yield translator("customer.would_write", changes=", ".join(changes))
    else:
        yield translator("customer.nothing")
    if next_change is None:
        yield translator("customer.never_changes")
    else:
        yield translator("customer.next_change", day=translator.day(next_change))


def _tags(explanation: CustomerExplanation, translator: Translator, tag: str) -> Iterator[str]:
    shown = [item for item in explanation.tags if not tag or fold(item.tag) == fold(tag)]
    if not explanation.tags or shown:
        yield ""
        yield translator("customer.tags" if shown else "customer.no_tags")
    for item in shown:
        yield f"  {item.tag}: {describe_origin(item, explanation, translator=translator)}"


def _rules(explanation: CustomerExplanation, translator: Translator, tag: str) -> Iterator[str]:
    shown = [rule for rule in explanation.rules if not tag or rule.rule.key == fold(tag)]
    currency = explanation.rule_set.rule_set.currency
    if shown:
        yield ""
        yield translator("customer.rules")
    for rule in shown:
        title = rule.rule.rule.display_name(translator.language)
        yield f"  {title} — {describe_status(rule, translator=translator)}"
        for line in trace_lines(rule.trace, translator=translator, currency=currency):
            yield f"    {line}"
        for line in removed_by_others(explanation, [rule.rule.key], translator=translator):
            yield f"    {line}"
        if scheduled := describe_scheduled(rule.scheduled, translator=translator):
            yield f"    {scheduled}"


def _tiers(explanation: CustomerExplanation, translator: Translator, tag: str) -> Iterator[str]:
    shown = [tier for tier in explanation.tiers if not tag or fold(tag) in tier.tier.level_by_tag]
    if shown:
        yield ""
        yield translator("customer.tiers")
    for tier in shown:
        title = tier.tier.tier.display_name(translator.language)
        yield f"  {title} — {describe_tier(tier, translator=translator)}"
        for line in _levels(explanation, tier, translator):
            yield f"    {line}"
        for line in removed_by_others(explanation, tier.tier.level_by_tag, translator=translator):
            yield f"    {line}"
        if scheduled := describe_scheduled(tier.scheduled, translator=translator):
            yield f"    {scheduled}"


def removed_by_others(
    explanation: CustomerExplanation, keys: Iterable[str], *, translator: Translator
) -> Iterator[str]:
    """Name the tags that are absent because somebody else removed them."""
    present = {fold(tag.tag) for tag in explanation.tags}
    for key in keys:
        change = explanation.input.external_changes.get(key)
        if change is not None and not change.added and key not in present:
            day = translator.day(explanation.rule_set.local_day(change.at_ms))
            yield translator("touch.removed", tag=change.tag, day=day)


def _describe_lost_level(tier: TierExplanation, translator: Translator) -> str:
    """Say how long a lost level stays, and which lower level is earned."""
    end = "forever" if tier.until is None else "until"
    day = "" if tier.until is None else translator.day(tier.until)
    if tier.earned is None:
        return translator(f"tier.lost.{end}", day=day)
    return translator(f"tier.waits.{end}", level=tier.tier.levels[tier.earned].tag, day=day)


def _levels(explanation: CustomerExplanation, tier: TierExplanation, translator: Translator) -> Iterator[str]:
    """Show why the earned level matches, and what is missing to the level above it."""
    currency, levels = explanation.rule_set.rule_set.currency, tier.tier.levels
    if tier.missing:
        return
    if tier.earned is not None:
        earned = trace_line(tier.traces[tier.earned], translator=translator, currency=currency)
        yield f"{levels[tier.earned].tag}: {earned}"
    above = len(levels) - 1 if tier.earned is None else tier.earned - 1
    if above < 0:
        yield translator("tier.top")
    else:
        missing = trace_line(tier.traces[above], translator=translator, currency=currency)
        yield f"{translator('tier.next', level=levels[above].tag)}: {missing}"
