"""No rule document crashes or hangs the parser; each is accepted, or refused with all its errors in both languages."""

from __future__ import annotations

import pytest

from service.domain.documents import DocumentError, InvalidRules, parse_rules
from service.domain.explain import LANGUAGES
from service.locales import translator_for
from tests.hostile.rule_document_rows import DOCUMENTS, RuleDocument


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_is_accepted_or_refused_with_its_errors(document: RuleDocument) -> None:
    problems = errors(document.text)

    assert tuple(sorted(problem.kind for problem in problems)) == document.kinds
    assert all(problem.text(translator_for(language)) for problem in problems for language in LANGUAGES)


def errors(text: str) -> tuple[DocumentError, ...]:
    try:
        parse_rules(text)
    except InvalidRules as exc:
        return exc.problems
    return ()
