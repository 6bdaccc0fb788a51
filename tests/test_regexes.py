"""No regular expression takes quadratic time for a long text of anybody.

Every pattern of the code is found in its syntax tree and run against long hostile texts. Four times the text may take
about four times as long; a quadratic pattern takes sixteen times as long.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parent.parent
FUNCTIONS: Final = frozenset(
    {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
)
UNITS: Final = ("a!", "@", "a", "a@", "a@a.", "A", "1", " ", "1 ", "1.", "1,", "0_", "-", "+", "_", "a-", "a_", ".", "/",
                "\n", "\t", "{", "{a", "(", '"', "\\", "x=", "-- Parts: ", "é", "Đ ", "1d", "2026-01-", "\x00")  # fmt: skip
SIZES: Final = (1_250, 5_000, 20_000, 80_000)
NOTICEABLE_S: Final = 0.05
MAX_RATIO: Final = 9.0  # between the ratios of linear and quadratic time


class Pattern(NamedTuple):
    """A pattern and where it stands. `searches`: it is also tried in the middle of a text."""

    place: str
    text: str | bytes
    flags: int
    searches: bool


def _patterns() -> Iterator[Pattern]:
    for program in ("service", "workers", "deploy"):
        for path in sorted((ROOT / program).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if not re.search(r"\bre\.", source):
                continue  # most modules have no pattern, and parsing takes long
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and _is_re(node.func):
                    yield _pattern(path, node, source)


def _is_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
        and function.attr in FUNCTIONS
    )


def _pattern(path: Path, node: ast.Call, source: str) -> Pattern:
    """The pattern of a call. One that is no literal has the text "" and must be in ESCAPED."""
    place = f"{path.relative_to(ROOT)}:{node.lineno}"
    assert isinstance(node.func, ast.Attribute)
    try:
        text = ast.literal_eval(node.args[0])
    except ValueError:
        text = ""
    flags = 0
    for name in ("MULTILINE", "IGNORECASE", "ASCII", "DOTALL", "VERBOSE"):
        words = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
        if any(f"re.{name}" in ast.unparse(word) for word in words):
            flags |= getattr(re, name)
    searches = node.func.attr in ("search", "split", "findall", "finditer", "sub", "subn")
    if node.func.attr == "compile":
        searches = _is_searched(node, source)
    return Pattern(place, text, flags, searches)


def _is_searched(node: ast.Call, source: str) -> bool:
    """Whether a compiled pattern is used in another way than `fullmatch` and `match`."""
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            value = statement.value
            if isinstance(value, ast.Call) and (value.lineno, value.col_offset) == (
                node.lineno,
                node.col_offset,
            ):
                target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
                name = ast.unparse(target)
                uses = re.findall(rf"\b{re.escape(name)}\.(\w+)", source)
                return not uses or bool({*uses} - {"fullmatch", "match", "pattern"})
    return True


PATTERNS: Final = list(_patterns())
WITHOUT_LITERAL: Final = {
    "deploy/cli/parser_text.py",
    "service/domain/access/tokens.py",
    "service/domain/access/users.py",
    "service/web/ops/intake.py",
    "workers/haravan/errors.py",
}
"""Files with a pattern that is made at run time: an escaped text, and patterns of our own endpoints."""


def test_patterns_are_found() -> None:
    assert len(PATTERNS) >= 20
    assert {pattern.place.partition(":")[0] for pattern in PATTERNS if not pattern.text} <= WITHOUT_LITERAL


@pytest.mark.parametrize(
    "pattern", [pattern for pattern in PATTERNS if pattern.text], ids=lambda each: each.place
)
def test_a_pattern_is_linear(pattern: Pattern) -> None:
    assert [unit for unit in UNITS if not _is_linear(pattern, unit)] == []


def _is_linear(pattern: Pattern, unit: str) -> bool:
    before = None
    for step, size in enumerate(SIZES, start=1):
        seconds = min(_seconds(pattern, unit, size) for _ in range(2))
        if before is not None and seconds > NOTICEABLE_S and seconds > MAX_RATIO * before:
            return False
        if seconds * 16 ** (len(SIZES) - step) < NOTICEABLE_S:
            return True  # even quadratic time would be short for the longest text
        before = seconds
    return True


def _seconds(pattern: Pattern, unit: str, size: int) -> float:
    long = (unit * size)[:size]
    compiled = re.compile(pattern.text, pattern.flags)
    started = time.process_time()
    for text in (long, f"{long}\x00"):
        subject = text.encode() if isinstance(pattern.text, bytes) else text
        compiled.fullmatch(subject)  # type: ignore[arg-type]
        compiled.match(subject)  # type: ignore[arg-type]
        if pattern.searches:
            compiled.sub(subject[:0], subject)  # type: ignore[arg-type]
    return time.process_time() - started


def test_the_measure_finds_a_quadratic_pattern() -> None:
    email = r"[^\s@,;:\"'<>()]+@[^\s@,;:\"'<>()]+"

    assert not _is_linear(Pattern("here", email, 0, searches=True), "a!")
