"""Rules of a draft as YAML: one rule beside its form, or the whole draft as a file.

These functions run in the CPU pool and take and return plain data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from service.context import Context
from service.domain.customers import OrgId
from service.domain.documents import (
    DocumentError,
    InvalidRules,
    canonical_json,
    draft_to_yaml,
    entry_to_yaml,
    parse_entry,
    parse_rules,
)
from service.domain.explain import Language, Translator
from service.domain.rules import RuleOrTier, RuleSet, Tier
from service.locales import translator_for
from service.publishing.editor.copies import entry_of


@dataclass(frozen=True, slots=True)
class SourceError:
    """An error of a text. Line and column count from 1, and are 0 for an error of the whole. `line_text` is the line."""

    line: int
    column: int
    text: str
    line_text: str = ""


@dataclass(frozen=True, slots=True)
class ParsedSource:
    """What a text says as plain data of a draft. None if it has errors."""

    data: dict[str, Any] | None
    errors: tuple[SourceError, ...] = ()


async def format_entry(context: Context, document: dict[str, Any], entry_id: str) -> str:
    """The YAML of a rule or tier of a draft, valid or not. Raises NotFound."""
    kind, _, entry = entry_of(document, entry_id)
    return entry_to_yaml(entry, kind)


async def format_draft(context: Context, document: dict[str, Any]) -> str:
    """The YAML of a draft, valid or not."""
    return draft_to_yaml(document)


async def parse_entry_text(
    context: Context, document: dict[str, Any], entry_id: str, text: str, language: Language
) -> ParsedSource:
    """Parse the YAML of a rule or tier of a draft. Raises NotFound."""
    kind, index, _ = entry_of(document, entry_id)
    try:
        rule = parse_entry(text, document, kind, index)
    except InvalidRules as exc:
        return ParsedSource(None, _to_errors(exc.problems, text, translator_for(language), is_entry=True))
    return ParsedSource(_to_entry(rule))


async def parse_document_text(context: Context, org: OrgId, text: str, language: Language) -> ParsedSource:
    """Parse the YAML or JSON of a whole document. Its amounts must be in the currency of the shop."""
    words, shop = translator_for(language), await context.shops.get_or_raise(org)
    try:
        rule_set = parse_rules(text)
    except InvalidRules as exc:
        return ParsedSource(None, _to_errors(exc.problems, text, words, is_entry=False))
    if rule_set.currency != shop.currency:
        error = words("rules.import.currency", currency=rule_set.currency, shop=shop.currency)
        return ParsedSource(None, (SourceError(0, 0, error),))
    return ParsedSource(_to_data(rule_set))


def _to_errors(
    problems: tuple[DocumentError, ...], text: str, words: Translator, *, is_entry: bool
) -> tuple[SourceError, ...]:
    lines = text.splitlines()
    return tuple(
        SourceError(
            each.line,
            each.column,
            each.message.text(words) if is_entry or each.entry is None else _in_rule(each, words),
            lines[each.line - 1] if 0 < each.line <= len(lines) else "",
        )
        for each in problems
    )


def _in_rule(problem: DocumentError, words: Translator) -> str:
    name = problem.entry.name(words.language) if problem.entry is not None else ""
    return f"{name}: {problem.message.text(words)}" if name else problem.message.text(words)


def _to_entry(rule: RuleOrTier) -> dict[str, Any]:
    kind = "tiers" if isinstance(rule, Tier) else "rules"
    data: dict[str, Any] = _to_data(RuleSet().model_copy(update={kind: (rule,)}))[kind][0]
    return data


def _to_data(rule_set: RuleSet) -> dict[str, Any]:
    """Plain data as a draft has it, with all defaults: what has not changed is equal."""
    data: dict[str, Any] = msgspec.json.decode(canonical_json(rule_set))
    return data
