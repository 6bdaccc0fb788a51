"""Parsing of a document into a RuleSet, or into all its errors at once with lines and columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from service.domain.customers import exact_decimal
from service.domain.documents.consistency import check_consistency, read_outlines
from service.domain.documents.errors import DocumentError, InvalidRules, find_entry
from service.domain.documents.validation import to_document_errors
from service.domain.documents.yaml_source import MAX_BYTES, MAX_ERRORS, SourceDocument, parse_yaml
from service.domain.rules import RuleOrTier, RuleSet, message


def parse_rules(text: str) -> RuleSet:
    """Parse a YAML or JSON document; raises InvalidRules with all errors, at most MAX_ERRORS."""
    document = parse_yaml(text)
    if text.lstrip()[:1] == "{" and len(text) <= MAX_BYTES:
        document = _with_json_data(text, document)
    if document.data is None and not document.problems:
        raise InvalidRules([DocumentError(1, 1, (), "empty", message("empty"))])
    errors = [replace(error, entry=find_entry(error.path, document.data)) for error in document.problems]
    if document.data is not None:
        rule_set, validation_errors = _validate(document)
        errors += validation_errors
        if rule_set is not None and not errors:
            return rule_set
    raise InvalidRules(errors[:MAX_ERRORS])


def validate_rules(data: object) -> RuleSet:
    """Validate decoded data, such as a form or a stored draft; raises InvalidRules, whose errors have no line."""
    rule_set, errors = _validate(SourceDocument(data, {}, {}, ()))
    if rule_set is None:
        raise InvalidRules(errors[:MAX_ERRORS])
    return rule_set


def parse_entry(text: str, document: Mapping[str, Any], kind: str, index: int) -> RuleOrTier:
    """Parse the YAML of one rule or tier, which replaces the one at `index` of the list `kind` of a document.

    Raises InvalidRules with the errors of this rule, also with those that concern other rules, such as a tag that a
    tier has already. Errors of other rules are left out. The id must stay what it is.
    """
    source = parse_yaml(text)
    place = (kind, index)
    if source.data is None and not source.problems:
        raise InvalidRules([DocumentError(1, 1, place, "empty", message("empty"))])
    errors = [replace(error, path=(*place, *error.path)) for error in source.problems]
    if source.data is not None:
        entries = [*document[kind]]
        rule_id, entries[index] = entries[index].get("id"), source.data
        whole = SourceDocument(
            {**document, kind: entries},
            {(*place, *path): position for path, position in source.values.items()},
            {(*place, *path): position for path, position in source.keys.items()},
            (),
        )
        errors += [error for error in _validate(whole)[1] if error.path[:2] == place]
        if isinstance(source.data, dict) and source.data.get("id", rule_id) != rule_id:
            line, column = source.values["id",]
            errors.append(
                DocumentError(line, column, place, "fixed_id", message("fixed_id", id=str(rule_id)))
            )
        if not errors:
            frame = {key: document[key] for key in ("timezone", "currency") if key in document}
            return validate_rules({**frame, kind: [source.data]}).all[0]
    raise InvalidRules(errors[:MAX_ERRORS])


def _validate(document: SourceDocument) -> tuple[RuleSet | None, list[DocumentError]]:
    """Validate a document and check its consistency, whether it is valid or not."""
    rule_set, error = None, None
    try:
        rule_set = RuleSet.model_validate(document.data, context={"currency": _currency(document.data)})
    except ValidationError as exc:
        error = exc
    inconsistencies = check_consistency(read_outlines(document.data))
    errors = to_document_errors(error, inconsistencies, document)
    return (None if errors else rule_set), errors


def _currency(data: object) -> str:
    """The currency of a document that may be invalid."""
    currency = data.get("currency") if isinstance(data, dict) else None
    return currency if isinstance(currency, str) else "VND"


def _with_json_data(text: str, document: SourceDocument) -> SourceDocument:
    """If the text is JSON, replace the data by what JSON means: YAML folds some texts. Keep the positions of YAML."""
    duplicates: list[str] = []

    def to_dict(pairs: list[tuple[str, object]]) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key, value in pairs:
            if key in mapping:
                duplicates.append(key[:80])
            mapping[key] = value
        return mapping

    try:
        data = json.loads(text, parse_float=exact_decimal, parse_constant=str, object_pairs_hook=to_dict)
    except (ValueError, RecursionError):
        return document
    located = tuple(error for error in document.problems if error.kind != "syntax")
    unlocated = tuple(
        DocumentError(0, 0, (), "duplicate_key", message("duplicate_key", name=key)) for key in duplicates
    )
    return SourceDocument(data, document.values, document.keys, located or unlocated)
