"""Documents for tests, and the errors that they cause."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.documents.errors import DocumentError, InvalidRules
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.explain import Language
from service.locales import translator_for


def problems(text: str) -> tuple[DocumentError, ...]:
    with pytest.raises(InvalidRules) as caught:
        parse_rules(text)
    return caught.value.problems


def document(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "rules": [*rules], **more}


def rule(rule_id: str = "a", tag: str = "A", **more: Any) -> dict[str, Any]:
    when = {"field": "orders_count", "op": "at_least", "value": 1}
    return {"id": rule_id, "tag": tag, "when": when, **more}


def tagged(*names: str) -> dict[str, Any]:
    return {"field": "tags", "op": "has_any", "value": [*names]}


def tier(*tags: str, tier_id: str = "t") -> dict[str, Any]:
    when = {"field": "orders_count", "op": "at_least", "value": 1}
    return {"id": tier_id, "levels": [{"tag": tag, "when": when} for tag in tags]}


def kinds(doc: object) -> list[str]:
    with pytest.raises(InvalidRules) as caught:
        validate_rules(doc)
    return [problem.kind for problem in caught.value.problems]


def messages(doc: object) -> list[str]:
    with pytest.raises(InvalidRules) as caught:
        validate_rules(doc)
    return caught.value.text(translator_for("en")).splitlines()


def texts(text: str, language: Language = "en") -> list[str]:
    """The errors of a text, as people see them."""
    return [problem.text(translator_for(language)) for problem in problems(text)]
