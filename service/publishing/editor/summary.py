"""The rules of a draft for a list: what each says, how it differs from the live one, and how many customers it matches.

These functions run in the CPU pool and take and return plain data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from service.context import Context
from service.domain.customers import OrgId
from service.domain.documents import canonical_json
from service.domain.engine import compile_rules
from service.domain.explain import Language, Translator, describe, describe_levels
from service.domain.preview import count_matches, describe_warning, lint, lint_match, lint_values
from service.domain.rules import RuleOrTier, RuleSet, Tier, iter_conditions
from service.locales import translator_for
from service.publishing.editor.copies import KINDS, Entry, live_document
from service.publishing.editor.draft_rules import DraftRules, Place
from service.publishing.editor.inspection import count_levels
from service.publishing.editor.warm import RuleMatches, WarmShop, warm_shop

MAX_COUNTED: Final = 200  # rules and tiers whose customers are counted for the list

State = Literal["live", "new", "changed", "deleted"]


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """A rule or tier of the draft, or one that the draft deletes. `sentences` is empty if it has errors.

    `keep`: while_matching, forever, or a length of time. `is_timed`: the day changes what it says, without an event.
    `matches` is None if it was not counted.
    """

    id: str
    name: str
    tags: tuple[str, ...]
    is_tier: bool
    enabled: bool
    state: State
    sentences: tuple[str, ...] = ()
    problems: int = 0
    keep: str = "while_matching"
    is_timed: bool = False
    matches: RuleMatches | None = None


async def summarize(
    context: Context, org: OrgId, document: dict[str, Any], parent: int, language: Language, *, count: bool
) -> tuple[RuleSummary, ...]:
    """The rules and tiers of a draft over the version `parent`. `count`: with the customers that each matches."""
    shop, words = await context.shops.get_or_raise(org), translator_for(language)
    draft = DraftRules.of(document)
    rows = tuple(_summaries(document, await live_document(context, shop, parent), draft, words))
    if not count:
        return rows
    every = draft.frame.model_copy(update=_by_kind(draft.valid))
    warm = await warm_shop(context, shop, compile_rules(every))
    places = {
        entry["id"]: (kind, index) for kind in KINDS for index, entry in enumerate(document.get(kind, ()))
    }
    return tuple(
        replace(row, matches=_matches(warm, draft, places[row.id], words, org))
        if index < MAX_COUNTED and row.state != "deleted" and row.enabled and places[row.id] in draft.valid
        else row
        for index, row in enumerate(rows)
    )


async def count_owners(context: Context, org: OrgId, rule_id: str) -> int:
    """The customers who have a tag that this rule or tier added."""
    shop = await context.shops.get_or_raise(org)
    warm = await warm_shop(
        context, shop, compile_rules(RuleSet(timezone=shop.timezone, currency=shop.currency))
    )
    return sum(
        any(each.rule == rule_id for each in state.ownership.values())
        for state in warm.population.population.states
    )


def _by_kind(valid: Mapping[Place, RuleOrTier]) -> dict[str, tuple[RuleOrTier, ...]]:
    return {name: tuple(rule for (kind, _), rule in valid.items() if kind == name) for name in KINDS}


def _summaries(
    document: Mapping[str, Any], live: Mapping[str, Any], draft: DraftRules, words: Translator
) -> Iterator[RuleSummary]:
    live_rules = DraftRules.of(live)
    for kind in KINDS:
        before = {entry["id"]: (index, entry) for index, entry in enumerate(live.get(kind, ()))}
        for index, entry in enumerate(document.get(kind, ())):
            _, old = before.pop(entry["id"], (0, None))
            state: State = "new" if old is None else "live" if old == entry else "changed"
            yield _summary(entry, (kind, index), state, draft, words)
        for index, entry in before.values():
            yield _summary(entry, (kind, index), "deleted", live_rules, words)


def _summary(entry: Entry, place: Place, state: State, draft: DraftRules, words: Translator) -> RuleSummary:
    name = entry.get("name") or entry["id"]
    if isinstance(name, Mapping):
        first, second = ("en", "vi") if words.language == "en" else ("vi", "en")
        name = name.get(first) or name.get(second) or entry["id"]
    tags = (
        [entry.get("tag")] if place[0] == "rules" else [each.get("tag") for each in entry.get("levels", ())]
    )
    row = RuleSummary(
        id=str(entry["id"]),
        name=str(name),
        tags=tuple(str(tag) for tag in tags if tag),
        is_tier=place[0] == "tiers",
        enabled=bool(entry.get("enabled", True)),
        state=state,
        problems=len(draft.problems_of(place)),
        keep=str(entry.get("keep", "while_matching")),
    )
    rule, currency = draft.valid.get(place), draft.frame.currency
    if row.problems or rule is None:
        return row
    conditions = (condition for part in rule.expressions for condition in iter_conditions(part))
    return replace(
        row,
        sentences=describe_levels(rule, translator=words, currency=currency)
        if isinstance(rule, Tier)
        else (describe(rule.when, translator=words, currency=currency),),
        is_timed=any(each.operator.changes_on is not None or each.field == "age" for each in conditions),
    )


def _matches(warm: WarmShop, draft: DraftRules, place: Place, words: Translator, org: OrgId) -> RuleMatches:
    """Counted once for a rule, its relatives and a load of the customers."""
    rule_set, rule = draft.related(place), draft.valid[place]
    key = hashlib.sha256(f"{words.language} {rule.id} ".encode() + canonical_json(rule_set)).digest()
    found = warm.matches.get(key)
    if found is None:
        found = warm.matches[key] = _count(warm, rule_set, rule, words, org)
    return found


def _count(warm: WarmShop, rule_set: RuleSet, rule: RuleOrTier, words: Translator, org: OrgId) -> RuleMatches:
    compiled, customers = compile_rules(rule_set), len(warm.population.population)
    warnings = [*lint(compiled, today=warm.population.population.today)]
    if isinstance(rule, Tier):
        counts = tuple(each.customers for each in count_levels(warm, compiled, rule.id))
    else:
        counts = (count_matches(warm.population, compiled, rule.id),)
        warnings += lint_match(rule.id, matched=counts[0], customers=customers)
    warnings += lint_values(compiled, warm.counts_for(rule_set), org=org) if customers else ()
    texts = [
        describe_warning(replace(each, rule=""), translator=words, compiled=compiled)
        for each in warnings
        if each.rule == rule.id
    ]
    return RuleMatches(counts, tuple(dict.fromkeys(texts)))
