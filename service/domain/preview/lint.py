"""Warnings about rules that are valid but hardly intended. They never prevent a publish."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.domain.customers import Customer, MissingField, MissingReason
from service.domain.engine import (
    CompiledCondition,
    CompiledExpression,
    CompiledGroup,
    CompiledRules,
    CompiledTier,
    Facts,
)
from service.domain.explain import Translator, describe
from service.domain.preview.boundaries import boundary_facts, iter_leaves
from service.domain.preview.impact import Preview
from service.domain.rules import FIELDS, AllOf, AnyOf, iter_conditions

MANY: Final = 0.5  # of the customers
FAR_DAYS: Final = 36_600  # by then every window has passed every date of a document


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One warning. Its text has the key `warning.<kind>`, with `params` as placeholders.

    `rule` is the id of a rule or tier, '' for the whole document. `tag` names a level or a tag. The param `field` is a
    field's name, and its label fills the placeholder.
    """

    kind: str
    rule: str
    tag: str = ""
    expressions: tuple[CompiledExpression, ...] = ()  # the conditions that it is about
    params: Mapping[str, str | int] = field(default_factory=dict)


def lint(compiled: CompiledRules, *, today: int) -> tuple[LintWarning, ...]:
    """Return the warnings that follow from the document alone. `today` is the shop's day (ordinal)."""
    warnings = [
        warning for rule in compiled.rules for warning in _lint_expression(rule.when, rule.id, "", today)
    ]
    for tier in compiled.tiers:
        for level in tier.levels:
            warnings += _lint_expression(level.when, tier.id, level.tag, today)
        warnings += _unreachable_levels(tier, today)
    return tuple(warnings)


def lint_matches(compiled: CompiledRules, preview: Preview) -> tuple[LintWarning, ...]:
    """Warn of rules that match no, all or most customers, and of tags that others added too."""
    warnings: list[LintWarning] = []
    for rule in compiled.rules:
        count = preview.matched.get(rule.id, 0)
        if preview.customers > preview.undecided.get(rule.id, 0):
            warnings += lint_match(rule.id, matched=count, customers=preview.customers)
    warnings += [
        LintWarning("others_too", tag.rules[0], tag.tag, params={"count": tag.not_ours})
        for tag in preview.tags
        if tag.not_ours and tag.rules
    ]
    return tuple(warnings)


def lint_match(rule_id: str, *, matched: int, customers: int) -> tuple[LintWarning, ...]:
    """Warn of a rule that matches no, all or most customers."""
    kind = _match_warning(matched, customers) if customers else ""
    if not kind:
        return ()
    params: dict[str, str | int] = {
        "count": matched,
        "share": round(100 * matched / customers),
        "all": customers,
    }
    return (LintWarning(kind, rule_id, params=params),)


def lint_leftovers(preview: Preview, *, org: str) -> tuple[LintWarning, ...]:
    """Warn of tags of ours that stay with customers although no rule gives them: `when_gone: leave`."""
    return tuple(
        LintWarning(
            "leftover", "", tag.tag, params={"count": tag.left, "org": org, "quoted": shlex.quote(tag.tag)}
        )
        for tag in preview.tags
        if tag.left and not tag.rules
    )


def lint_missing(compiled: CompiledRules, customers: Sequence[Customer]) -> tuple[LintWarning, ...]:
    """Warn of each field that a rule reads and that the records of these customers lack.

    A field that only the snapshot lacks is another warning, `not_stored`.
    """
    missing = Counter[frozenset[str]]()
    for fields, count in Counter(customer.missing for customer in customers).items():
        missing[_lacking_in_record(fields)] += count
    warnings: list[LintWarning] = []
    for rule in compiled.rule_set.all:
        conditions = (condition for part in rule.expressions for condition in iter_conditions(part))
        for name in dict.fromkeys(condition.field for condition in conditions if rule.enabled):
            keys = FIELDS[name].record_keys
            count = sum(size for lacking, size in missing.items() if not keys.isdisjoint(lacking))
            if count:
                kind = "field_never_seen" if count == len(customers) else "field_missing"
                params: dict[str, str | int] = {"field": name, "count": count, "all": len(customers)}
                warnings.append(LintWarning(kind, rule.id, params=params))
    return tuple(warnings)


def _lacking_in_record(fields: Iterable[MissingField]) -> frozenset[str]:
    return frozenset(field.key for field in fields if field.reason is not MissingReason.NOT_STORED)


def lint_coverage(*, known: int, customers: int | None, org: str) -> tuple[LintWarning, ...]:
    """Warn of customers without a snapshot. `customers`: how many the shop has, None if they were never counted."""
    if customers is None:
        return (LintWarning("uncounted", "", params={"org": org}),)
    if known >= customers:
        return ()
    return (LintWarning("unseen", "", params={"count": customers - known, "all": customers, "org": org}),)


def describe_warning(warning: LintWarning, *, translator: Translator, compiled: CompiledRules) -> str:
    """Return a warning as text, with the name of its rule and the conditions that it is about."""
    rule_set = compiled.rule_set
    titles = {rule.id: rule.display_name(translator.language) for rule in rule_set.all}
    sentences = [
        describe(part.expression, translator=translator, currency=rule_set.currency)
        for part in warning.expressions
    ]
    params = {
        name: translator.number(value) if isinstance(value, int) else value
        for name, value in warning.params.items()
    }
    if "field" in params:
        params["field"] = translator(f"field.{params['field']}")
    part, others = (sentences[0], translator.join_list(sentences[1:])) if sentences else ("", "")
    kind = "never.alone" if warning.kind == "never" and not others else warning.kind
    text = translator(f"warning.{kind}", tag=warning.tag, part=part, others=others, **params)
    return f"{titles.get(warning.rule, warning.rule)}: {text}" if warning.rule else text


def _match_warning(count: int, customers: int) -> str:
    """Return the kind of warning that a number of matches deserves; '' for none."""
    if not count:
        return "matches_nobody"
    if count == customers:
        return "matches_everybody"
    return "matches_many" if count > MANY * customers else ""


def _sample(expressions: Sequence[CompiledExpression], today: int) -> list[Facts] | None:
    """Return sample facts of today and of a day far off: a condition that holds only for a while is no mistake."""
    facts = boundary_facts(expressions, today=today)
    if facts is None or not any(expression.is_time_dependent for expression in expressions):
        return facts
    return [*facts, *(boundary_facts(expressions, today=today + FAR_DAYS) or ())]


def _lint_expression(expression: CompiledExpression, rule: str, tag: str, today: int) -> list[LintWarning]:
    """Warn if an expression never or always matches; otherwise look into its parts."""
    facts = _sample([expression], today)
    if facts is not None:
        if not any(map(expression.matches, facts)):
            return [LintWarning("never", rule, tag, tuple(_contradicting_pair(expression, today)))]
        if all(map(expression.matches, facts)):
            return [LintWarning("always", rule, tag, (expression,))]
    return [*_lint_parts(expression, rule, tag, today)]


def _contradicting_pair(expression: CompiledExpression, today: int) -> Iterator[CompiledExpression]:
    """Yield two parts that never match together, or the whole expression if there is no such pair."""
    if isinstance(expression, CompiledGroup) and isinstance(expression.expression, AllOf):
        for index, part in enumerate(expression.parts):
            for other in expression.parts[index + 1 :]:
                sample = _sample([part, other], today)
                if sample and not any(part.matches(facts) and other.matches(facts) for facts in sample):
                    return iter((part, other))
    return iter((expression,))


def _lint_parts(expression: CompiledExpression, rule: str, tag: str, today: int) -> Iterator[LintWarning]:
    if isinstance(expression, CompiledCondition) or not isinstance(expression.expression, AllOf | AnyOf):
        return
    yield from _redundant_parts(expression, rule, tag, today)
    for part in expression.parts:
        if not isinstance(part, CompiledCondition):
            yield from _lint_expression(part, rule, tag, today)


def _redundant_parts(group: CompiledGroup, rule: str, tag: str, today: int) -> Iterator[LintWarning]:
    """Warn of parts of `all` that another part implies, and of parts of `any` that another part covers."""
    is_all = isinstance(group.expression, AllOf)
    redundant: set[int] = set()
    for index, part in enumerate(group.parts):
        for other_index, other in enumerate(group.parts):
            if index == other_index or other_index in redundant or not _share_fields(part, other):
                continue
            sample = _sample([part, other], today)
            stronger, weaker = (other, part) if is_all else (part, other)
            if sample and all(weaker.matches(facts) for facts in sample if stronger.matches(facts)):
                redundant.add(index)
                yield LintWarning("implied" if is_all else "covered", rule, tag, (part, other))
                break


def _share_fields(part: CompiledExpression, other: CompiledExpression) -> bool:
    fields, other_fields = (
        {leaf.field.name for leaf in iter_leaves(expression)} for expression in (part, other)
    )
    return not fields.isdisjoint(other_fields)


def _unreachable_levels(tier: CompiledTier, today: int) -> Iterator[LintWarning]:
    """Warn of levels whose customers all earn a higher level."""
    for index, level in enumerate(tier.levels[1:], start=1):
        higher = [higher_level.when for higher_level in tier.levels[:index]]
        sample = _sample([*higher, level.when], today)
        if sample is None:
            continue
        matching = [facts for facts in sample if level.matches(facts)]
        if matching and all(any(when.matches(facts) for when in higher) for facts in matching):
            yield LintWarning("level_never_wins", tier.id, level.tag, (level.when, *higher[-1:]))
