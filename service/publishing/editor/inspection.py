"""What an editor shows about a rule while somebody types: its errors, its sentence, its effect, values to choose from.

These functions run in the CPU pool and take and return plain data.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from service.context import Context
from service.domain.customers import OrgId
from service.domain.documents import DocumentError
from service.domain.engine import CompiledRules, CompiledTier, Facts, compile_rules, fact_value
from service.domain.explain import (
    Language,
    Translator,
    describe,
    describe_keep,
    describe_levels,
    format_value,
)
from service.domain.preview import (
    RuleEffect,
    TierPreview,
    count_parts,
    describe_warning,
    lint,
    lint_match,
    preview,
    rule_effect,
)
from service.domain.rules import FIELDS, FieldType, Rule, RuleSet, Tier, iter_conditions
from service.locales import translator_for
from service.publishing.editor.copies import Entry, entry_of
from service.publishing.editor.draft_rules import DraftRules
from service.publishing.editor.warm import WarmShop, warm_shop
from service.store.customers import load_names

MAX_VALUES: Final = 200  # of a field, offered as a list
Path = tuple[str | int, ...]  # from the rule to one of its parts


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of the rule. `path` leads to the group or condition within the rule, `part` to the key below it."""

    path: Path
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A customer that would change, with the values that the rule reads. `name` is "" if none is stored."""

    customer: int
    values: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A value that customers have, and that the author may have meant instead of `replaces`, or beside it if empty."""

    value: str
    customers: int
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class ValueHelp:
    """How many customers have each of the values that a condition or a tag names, and other spellings of them."""

    counts: tuple[tuple[str, int], ...] = ()
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class LevelCount:
    """The customers of a level, and those that are left after each part of its conditions."""

    customers: int
    funnel: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known about one rule or tier of a draft. `effect` is None while it has an error.

    `levels` are those of a tier, and last the customers of none. `values`: field -> value -> customers. `help`: by the
    path of a condition or a tag.
    """

    problems: tuple[Problem, ...] = ()
    other_problems: int = 0  # in other rules
    sentence: str = ""
    details: tuple[str, ...] = ()
    effect: RuleEffect | None = None
    levels: tuple[LevelCount, ...] = ()
    adds: tuple[Sample, ...] = ()
    removes: tuple[Sample, ...] = ()
    warnings: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    help: Mapping[Path, ValueHelp] = field(default_factory=dict)
    customers: int = 0
    loaded_ms: int = 0
    elapsed_ms: int = 0


async def inspect(
    context: Context, org: OrgId, document: dict[str, Any], entry_id: str, language: Language
) -> Inspection:
    """Check a rule or tier of a draft, and evaluate it for all customers."""
    words, shop = translator_for(language), await context.shops.get_or_raise(org)
    kind, index, entry = entry_of(document, entry_id)
    draft = DraftRules.of(document)
    own = draft.problems_of((kind, index))
    rule_set = (
        RuleSet(timezone=shop.timezone, currency=shop.currency) if own else draft.related((kind, index))
    )
    compiled = compile_rules(rule_set)
    warm = await warm_shop(context, shop, compiled)
    found = Inspection(
        problems=tuple(Problem(tuple(each.path[2:]), each.part, _text(each, words)) for each in own),
        other_problems=len(draft.problems) - len(own),
        values={
            name: dict(islice(warm.values_of(name).counts.items(), MAX_VALUES)) for name in _choices(entry)
        },
        help=_help(warm, entry),
        customers=len(warm.population.population),
        loaded_ms=warm.loaded_ms,
    )
    if own:
        return found
    started = time.perf_counter()
    rule = draft.valid[kind, index]
    if isinstance(rule, Tier):
        found = replace(
            found,
            details=describe_levels(rule, translator=words, currency=rule_set.currency),
            levels=count_levels(warm, compiled, entry_id),
        )
    else:
        effect = rule_effect(warm.population, compiled, entry_id)
        names = await load_names(
            context.redis, org, shop.cipher, (*effect.adds, *effect.removes), words.language
        )
        found = replace(
            found,
            sentence=describe(rule.when, translator=words, currency=rule_set.currency),
            details=(describe_keep(rule, translator=words),),
            effect=effect,
            adds=_samples(warm, rule, effect.adds, names, words, rule_set.currency),
            removes=_samples(warm, rule, effect.removes, names, words, rule_set.currency),
        )
    elapsed_ms = round((time.perf_counter() - started) * 1000)
    return replace(found, warnings=_warnings(found, warm, compiled, entry_id, words), elapsed_ms=elapsed_ms)


async def compare_tier(
    context: Context, org: OrgId, document: dict[str, Any], entry_id: str, language: Language
) -> tuple[TierPreview, Mapping[int, str]] | None:
    """Who moves between the levels of a tier if the draft goes live, and the names of the samples.

    None if it has errors or is not enabled.
    """
    shop = await context.shops.get_or_raise(org)
    kind, index, _ = entry_of(document, entry_id)
    draft = DraftRules.of(document)
    if draft.problems_of((kind, index)):
        return None
    compiled = compile_rules(draft.related((kind, index)))
    warm = await warm_shop(context, shop, compiled)
    for tier in preview(warm.population.population, compiled).tiers:
        samples = [customer for move in tier.moves for customer in move.samples]
        return tier, await load_names(context.redis, org, shop.cipher, samples, language)
    return None


def count_levels(warm: WarmShop, compiled: CompiledRules, tier_id: str) -> tuple[LevelCount, ...]:
    """The customers of each level from the top, and last those of none. Empty if the tier is not enabled."""
    tier = next((each for each in compiled.tiers if each.id == tier_id), None)
    return () if tier is None else tuple(_count_levels(warm, tier))


def _count_levels(warm: WarmShop, tier: CompiledTier) -> Iterator[LevelCount]:
    remaining: list[Facts] = [*warm.population.facts]
    for level in tier.levels:
        rest = [facts for facts in remaining if not level.matches(facts)]
        yield LevelCount(len(remaining) - len(rest), tuple(count_parts(remaining, level.when)))
        remaining = rest
    yield LevelCount(len(remaining))


def _warnings(
    found: Inspection, warm: WarmShop, compiled: CompiledRules, entry_id: str, words: Translator
) -> tuple[str, ...]:
    """The warnings about the rule, without its name: the page has it."""
    warnings = [
        each for each in lint(compiled, today=warm.population.population.today) if each.rule == entry_id
    ]
    effect = found.effect
    if effect is not None and effect.customers > effect.undecided and compiled.rules[0].id == entry_id:
        warnings += lint_match(entry_id, matched=effect.matched, customers=effect.customers)
    return tuple(
        describe_warning(replace(each, rule=""), translator=words, compiled=compiled) for each in warnings
    )


def _text(problem: DocumentError, words: Translator) -> str:
    """The error in the words of the form; of a document where the form has none of its own."""
    key = f"rules.error.{problem.message.key}"
    return words(key) if words.has(key) else problem.message.text(words)


def _samples(
    warm: WarmShop,
    rule: Rule,
    ids: tuple[int, ...],
    names: Mapping[int, str],
    words: Translator,
    currency: str,
) -> tuple[Sample, ...]:
    fields = list(dict.fromkeys(each.field for each in iter_conditions(rule.when)))[:3]
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
                for name in fields
            ]
            samples.append(Sample(customer_id, " · ".join(texts), names.get(customer_id, "")))
    return tuple(samples)


def _help(warm: WarmShop, entry: Entry) -> dict[Path, ValueHelp]:
    """The values that a rule or tier names, beside those that customers have."""
    found: dict[Path, ValueHelp] = {}
    tags = warm.values_of("tags")
    for path, tag in _tags(entry):
        near = tags.near(tag)
        found[path] = ValueHelp(
            ((tag, tags.count(tag)),), tuple(Offer(each, tags.count(each), tag) for each in near)
        )
    for path, name, texts in _named_values(entry):
        known = warm.values_of(name)
        offers = {
            value: Offer(value, known.count(value), "" if known.count(text) else text)
            for text in texts
            for value in known.near(text, listed=texts)
        }
        found[path] = ValueHelp(tuple((text, known.count(text)) for text in texts), tuple(offers.values()))
    return found


def _tags(entry: Entry) -> Iterator[tuple[Path, str]]:
    """The tags that a rule or tier gives, with their paths."""
    if isinstance(tag := entry.get("tag"), str) and tag:
        yield ("tag",), tag
    for index, level in enumerate(entry.get("levels", ())):
        if isinstance(level, Mapping) and isinstance(tag := level.get("tag"), str) and tag:
            yield ("levels", index, "tag"), tag


def _named_values(node: object, path: Path = ()) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Each condition on a choice or on tags: its path, its field, and the texts that it names."""
    if isinstance(node, Mapping):
        if _has_choices(name := node.get("field")) and isinstance(name, str):
            value = node.get("value")
            values = value if isinstance(value, list | tuple) else [value]
            yield path, name, tuple(each for each in values if isinstance(each, str) and each)
        for key, child in node.items():
            yield from _named_values(child, (*path, str(key)))
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from _named_values(child, (*path, index))


def _has_choices(name: object) -> bool:
    return (
        name in FIELDS and name != "gender" and FIELDS[str(name)].type in (FieldType.CHOICE, FieldType.TAGS)
    )


def _choices(entry: Entry) -> list[str]:
    """The fields that a rule names and that have values to choose from, and the tags."""
    return sorted({"tags"} | {name for _, name, _ in _named_values(entry)})
