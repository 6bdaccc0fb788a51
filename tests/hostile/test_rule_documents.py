"""No rule document crashes or hangs the parser; each is accepted, or refused with all its errors in both languages."""

from __future__ import annotations

import pytest

from service.domain.documents import InvalidRules, parse_rules
from service.domain.explain import LANGUAGES
from service.locales import translator_for
from tests.hostile.rule_document_rows import DOCUMENTS, RuleDocument


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_is_accepted_or_refused_with_its_errors(document: RuleDocument) -> None:
    kinds: tuple[str, ...] = ()
    try:
        parse_rules(document.text)
    except InvalidRules as exc:
        kinds = tuple(sorted(problem.kind for problem in exc.problems))
        assert all(exc.text(translator_for(language)) for language in LANGUAGES)

    assert kinds == document.kinds
