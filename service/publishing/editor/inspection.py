"""What an editor shows about a rule while somebody types: its errors, its sentence, its effect, values to choose from.

These functions run in the CPU pool and take and return plain data.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from service.context import Context
from service.domain.customers import OrgId, fold
from service.domain.documents import DocumentError, InvalidRules, validate_rules
from service.domain.engine import CompiledRules, compile_rules, fact_value
from service.domain.explain import (
    Language,
    Translator,
    describe,
    describe_keep,
    describe_levels,
    format_value,
)
from service.domain.preview import RuleEffect, describe_warning, lint, rule_effect
from service.domain.rules import (
    FIELDS,
    FieldType,
    Rule,
    RuleOrTier,
    RuleSet,
    Tier,
    direct_dependencies,
    iter_conditions,
)
from service.locales import translator_for
from service.publishing.editor.copies import KINDS, entry_of
from service.publishing.editor.warm import WarmShop, warm_shop

MAX_COUNTED: Final = 50  # rules whose matches are counted for the list


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of the rule. `path` leads to the group or condition within the rule, `part` to the key below it."""

    path: tuple[str | int, ...]
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A customer that would change, with the values that the rule reads."""

    customer: int
    values: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known about one rule or tier of a draft. `effect` is None while it has an error.

    `levels` are the customers of each level of a tier, and last those of none.
    """

    problems: tuple[Problem, ...] = ()
    other_problems: int = 0  # in other rules
    sentence: str = ""
    details: tuple[str, ...] = ()
    effect: RuleEffect | None = None
    levels: tuple[int, ...] = ()
    adds: tuple[Sample, ...] = ()
    removes: tuple[Sample, ...] = ()
    warnings: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # field -> value -> customers
    loaded_ms: int = 0
    elapsed_ms: int = 0


async def inspect(
    context: Context, org: OrgId, document: dict[str, Any], entry_id: str, language: Language
) -> Inspection:
    """Check a rule or tier of a draft, and evaluate it for all customers."""
    words, shop = translator_for(language), await context.shops.get_or_raise(org)
    kind, index, entry = entry_of(document, entry_id)
    problems = find_problems(document)
    own = [each for each in problems if each.path[:2] == (kind, index)]
    found = Inspection(
        problems=tuple(Problem(tuple(each.path[2:]), each.part, _text(each, words)) for each in own),
        other_problems=len(problems) - len(own),
    )
    if own:
        empty = compile_rules(RuleSet(timezone=shop.timezone, currency=shop.currency))
        warm = await warm_shop(context, shop, empty)
        return replace(found, values=_values(warm, entry), loaded_ms=warm.loaded_ms)
    rule_set = related_rules(document, kind, index)
    compiled = compile_rules(rule_set)
    warm = await warm_shop(context, shop, compiled)
    started = time.perf_counter()
    rule = next(each for each in rule_set.all if each.id == entry_id)
    if isinstance(rule, Tier):
        found = replace(
            found,
            details=describe_levels(rule, translator=words, currency=rule_set.currency),
            levels=_count_levels(warm, compiled, entry_id),
        )
    else:
        effect = rule_effect(warm.population, compiled, entry_id)
        found = replace(
            found,
            sentence=describe(rule.when, translator=words, currency=rule_set.currency),
            details=(describe_keep(rule, translator=words),),
            effect=effect,
            adds=_samples(warm, rule, effect.adds, words, rule_set.currency),
            removes=_samples(warm, rule, effect.removes, words, rule_set.currency),
        )
    elapsed_ms = round((time.perf_counter() - started) * 1000)
    warnings = tuple(
        describe_warning(replace(each, rule=""), translator=words, compiled=compiled)
        for each in lint(compiled, today=warm.population.population.today)
        if each.rule == entry_id
    )
    return replace(
        found,
        warnings=warnings,
        values=_values(warm, entry),
        loaded_ms=warm.loaded_ms,
        elapsed_ms=elapsed_ms,
    )


async def count_matches(context: Context, org: OrgId, document: dict[str, Any]) -> dict[str, int]:
    """The customers that each enabled rule without errors matches, by id."""
    shop = await context.shops.get_or_raise(org)
    wrong = {each.path[:2] for each in find_problems(document)}
    counts: dict[str, int] = {}
    for index, entry in enumerate(document.get("rules", ())[:MAX_COUNTED]):
        if ("rules", index) in wrong or not entry.get("enabled", True):
            continue
        compiled = compile_rules(related_rules(document, "rules", index))
        warm = await warm_shop(context, shop, compiled)
        counts[entry["id"]] = rule_effect(warm.population, compiled, entry["id"]).matched
    return counts


def find_problems(document: Mapping[str, Any]) -> tuple[DocumentError, ...]:
    """Every error of a draft."""
    try:
        validate_rules(dict(document))
    except InvalidRules as exc:
        return exc.problems
    return ()


def related_rules(document: Mapping[str, Any], kind: str, index: int) -> RuleSet:
    """The rule or tier, and what its decision depends on: rules with the same tag, and the setters of tags that it reads.

    Rules with errors are left out.
    """
    frame = {key: document[key] for key in ("version", "timezone", "currency") if key in document}
    alone = validate_rules({**frame, kind: [document[kind][index]]})
    if kind == "tiers":
        return alone
    edited = alone.rules[0]
    others = [
        rule
        for other_kind in KINDS
        for position, entry in enumerate(document.get(other_kind, ()))
        if (other_kind, position) != (kind, index)
        for rule in _valid_rule(frame, other_kind, entry)
        if rule.enabled
    ]
    dependencies = direct_dependencies([edited, *others])
    related: dict[str, RuleOrTier] = {edited.id: edited}
    waiting: list[RuleOrTier] = [edited]
    by_id: dict[str, RuleOrTier] = {each.id: each for each in others}
    while waiting:
        rule = waiting.pop()
        tags = set(map(fold, rule.tags))
        ids = dependencies[rule.id] | {
            each.id for each in others if not tags.isdisjoint(map(fold, each.tags))
        }
        for new in ids & (by_id.keys() - related.keys()):
            related[new] = by_id[new]
            waiting.append(by_id[new])
    chosen = [each for each in (edited, *others) if each.id in related]
    rules = tuple(each for each in chosen if isinstance(each, Rule))
    tiers = tuple(each for each in chosen if isinstance(each, Tier))
    return alone.model_copy(update={"rules": rules, "tiers": tiers})


def _valid_rule(frame: Mapping[str, Any], kind: str, entry: Mapping[str, Any]) -> tuple[RuleOrTier, ...]:
    try:
        return validate_rules({**frame, kind: [entry]}).all
    except InvalidRules:
        return ()


def _text(problem: DocumentError, words: Translator) -> str:
    """The error in the words of the form; of a document where the form has none of its own."""
    key = f"rules.error.{problem.message.key}"
    return words(key) if words.has(key) else problem.message.text(words)


def _count_levels(warm: WarmShop, compiled: CompiledRules, tier_id: str) -> tuple[int, ...]:
    tier = next((each for each in compiled.tiers if each.id == tier_id), None)
    if tier is None:
        return ()
    counts: list[int] = []
    remaining = warm.population.facts
    for level in tier.levels:
        counts.append(sum(map(level.matches, remaining)))
        remaining = [facts for facts in remaining if not level.matches(facts)]
    return (*counts, len(remaining))


def _samples(
    warm: WarmShop, rule: Rule, ids: tuple[int, ...], words: Translator, currency: str
) -> tuple[Sample, ...]:
    names = list(dict.fromkeys(each.field for each in iter_conditions(rule.when)))[:3]
    samples: list[Sample] = []
    for customer_id in ids:
        known = warm.population.find(customer_id)
        if known is not None:
            customer, facts = known
            texts = [
                f"{words(f'field.{name}')}: "
                + format_value(
                    name,
                    fact_value(name, facts=facts, customer=customer),
                    translator=words,
                    currency=currency,
                )
                for name in names
            ]
            samples.append(Sample(customer_id, " · ".join(texts)))
    return tuple(samples)


def _values(warm: WarmShop, entry: Mapping[str, Any]) -> dict[str, Mapping[str, int]]:
    """The values of the fields that a rule names and that have values to choose from, and the tags."""
    names = {"tags"} | {
        name
        for name in _field_names(entry)
        if name in FIELDS and FIELDS[name].type in (FieldType.CHOICE, FieldType.TAGS)
    }
    return {name: warm.values_of(name) for name in sorted(names)}


def _field_names(node: object) -> set[str]:
    if isinstance(node, Mapping):
        own = {node["field"]} if isinstance(node.get("field"), str) else set()
        return own.union(*(_field_names(value) for value in node.values()))
    if isinstance(node, list | tuple):
        return set().union(*(_field_names(value) for value in node))
    return set()
