"""From a document's text to a RuleSet, or to every problem at once with its line and column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

from pydantic import BaseModel, ValidationError

from service.domain.customers import exact_decimal
from service.domain.documents.consistency import check_consistency, located_rules
from service.domain.documents.errors import DocumentError, DocumentPath, InvalidRules
from service.domain.documents.validation import to_document_errors
from service.domain.documents.yaml_source import MAX_BYTES, MAX_ERRORS, SourceDocument, parse_yaml
from service.domain.rules import Rule, RuleSet, Tier


def parse_rules(text: str) -> RuleSet:
    """Read a document, YAML or JSON; raises BadRules with every problem found, as far as can be seen."""
    document = parse_yaml(text)
    if text.lstrip()[:1] == "{" and len(text) <= MAX_BYTES:
        document = _as_json(text, document)
    if document.data is None and not document.problems:
        raise InvalidRules([DocumentError(1, 1, "", "empty", "the document is empty")])
    found = [*document.problems]
    if document.data is not None:
        rule_set, problems = _checked(document)
        found += problems
        if rule_set is not None and not found:
            return rule_set
    raise InvalidRules(found[:MAX_ERRORS])


def validate_rules(data: object) -> RuleSet:
    """The same for data that is already decoded (a form, a stored draft); its problems have no line."""
    rule_set, problems = _checked(SourceDocument(data, {}, {}, ()))
    if rule_set is None:
        raise InvalidRules(problems)
    return rule_set


def _checked(document: SourceDocument) -> tuple[RuleSet | None, list[DocumentError]]:
    """Validate a document and check its consistency, of a broken one among the rules that are valid."""
    currency = _currency(document.data)
    rule_set, error = None, None
    try:
        rule_set = RuleSet.model_validate(document.data, context={"currency": currency})
        rules = located_rules(rule_set)
    except ValidationError as exc:
        error, rules = exc, tuple(_valid_rules(document.data, currency))
    problems = to_document_errors(error, check_consistency(rules, currency=currency), document)
    return (None if problems else rule_set), problems


def _currency(data: object) -> str:
    """The currency that amounts are meant in, whatever else is wrong with the document."""
    currency = data.get("currency") if isinstance(data, dict) else None
    return currency if isinstance(currency, str) else "VND"


def _valid_rules(data: object, currency: str) -> Iterator[tuple[DocumentPath, Rule | Tier]]:
    """The rules and tiers of a broken document that are valid by themselves, with their places."""
    models: tuple[tuple[str, type[BaseModel]], ...] = (("rules", Rule), ("tiers", Tier))
    for key, model in models:
        entries = data.get(key) if isinstance(data, dict) else None
        for at, entry in enumerate(entries if isinstance(entries, list) else ()):
            try:
                yield (
                    (key, at),
                    cast("Rule | Tier", model.model_validate(entry, context={"currency": currency})),
                )
            except ValidationError:
                continue  # already told by the document's own validation


def _as_json(text: str, document: SourceDocument) -> SourceDocument:
    """Take the data of a text that is JSON as JSON has it; YAML, which folds some texts, tells the lines."""
    twice: list[str] = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in items:
            if key in found:
                twice.append(key[:80])
            found[key] = value
        return found

    try:
        data = json.loads(text, parse_float=exact_decimal, parse_constant=str, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return document
    told = tuple(one for one in document.problems if one.kind != "syntax")
    unplaced = tuple(DocumentError(0, 0, "", "duplicate_key", f"'{key}' is written twice") for key in twice)
    return SourceDocument(data, document.values, document.keys, told or unplaced)
