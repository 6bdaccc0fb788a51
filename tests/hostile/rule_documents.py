"""Odd rule documents: which are accepted, and what is said of the others."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Final

from service.domain.documents import InvalidRules, parse_rules
from tests.hostile.edge import milliseconds_since
from tests.hostile.verdict import Verdict

TABLE: Final = "rule documents"
GOOD: Final = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: 1}}\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One document. `expected` is `accepted`, or `refused: ` with a part of one of its errors."""

    name: str
    text: str
    expected: str = "accepted"


ROWS: Final = (
    Row("a good document", GOOD),
    Row("nothing", "", "refused: empty"),
    Row("a list", "- vip\n", "refused: mapping"),
    Row("a tab", GOOD.replace("  - ", "\t- "), "refused: start any token"),
    Row("an unknown field", GOOD.replace("total_spent", "total_spend"), "refused: total_spent"),
)


async def run(_: object, row: Row) -> Verdict:
    """Parse the document. A good document is parsed after it, as the next person's would be."""
    started_s = perf_counter()
    got = "accepted"
    try:
        parse_rules(row.text)
    except InvalidRules as exc:
        part = row.expected.removeprefix("refused: ")
        text = "; ".join(str(problem) for problem in exc.problems)
        got = row.expected if row.expected != "accepted" and part in text else f"refused: {text}"
    took_ms = milliseconds_since(started_s)
    harmed = () if parse_rules(GOOD).rules else ("the next document",)
    return Verdict(TABLE, row.name, row.expected, got, harmed, took_ms)
