"""Odd rule documents: which are accepted, and what is said of the others, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Final

from service.domain.documents import DocumentError, InvalidRules, parse_rules
from service.domain.explain import LANGUAGES
from service.locales import translator_for
from tests.hostile.edge import milliseconds_since
from tests.hostile.rule_document_rows import DOCUMENTS, RuleDocument
from tests.hostile.verdict import Verdict

TABLE: Final = "rule documents"
GOOD: Final = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: 1}}\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One document, and what is expected of it: `accepted`, or `refused: ` with the kinds of its errors."""

    document: RuleDocument

    @property
    def name(self) -> str:
        return self.document.name

    @property
    def expected(self) -> str:
        return _outcome(self.document.kinds)


ROWS: Final = tuple(map(Row, DOCUMENTS))


async def run(_: object, row: Row) -> Verdict:
    """Parse the document. A good document is parsed after it, as the next person's would be."""
    started_s = perf_counter()
    problems = errors(row.document.text)
    got = _outcome(tuple(sorted(problem.kind for problem in problems)))
    if not all(problem.text(translator_for(language)) for problem in problems for language in LANGUAGES):
        got += ", one without a text"
    took_ms = milliseconds_since(started_s)
    harmed = () if parse_rules(GOOD).rules else ("the next document",)
    return Verdict(TABLE, row.name, row.expected, got, harmed, took_ms)


def errors(text: str) -> tuple[DocumentError, ...]:
    """Everything that is wrong with the document."""
    try:
        parse_rules(text)
    except InvalidRules as exc:
        return exc.problems
    return ()


def _outcome(kinds: tuple[str, ...]) -> str:
    return f"refused: {', '.join(kinds)}" if kinds else "accepted"
