"""Normalising takes work that grows with the length of the text and no faster, and changes no ordinary text."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.customers.normalize import MAX_MARKS, nfc, stream_safe
from service.domain.customers.tags import fold_uncached, parse_tags

TraceFunction = Callable[[FrameType, str, Any], Any]
ALTERNATING = "\u0300\u0316"  # the second sorts before the first
MARKS = (
    "\u0300",
    "\u0316",
    "\u0344",
    "\u0f73",
    "\u0345",
    "\u3099",
    "\u034f",
)  # two of them are two marks each
CHARACTERS = st.one_of(st.sampled_from((*MARKS, "ế", "ΐ", "ǰ", "\uac00", "a")), st.characters(codec="utf-8"))


def rows_of_marks(text: str) -> list[int]:
    """The lengths of all rows of combining marks once the text is decomposed."""
    rows = [0]
    for character in unicodedata.normalize("NFKD", text):
        if unicodedata.combining(character):
            rows[-1] += 1
        else:
            rows.append(0)
    return rows


def swaps(text: str) -> int:
    """How often two marks change places when NFC sorts them by insertion."""
    count = 0
    row: list[int] = []
    for character in unicodedata.normalize("NFKD", text[:1]) + text[1:]:
        rank = unicodedata.combining(character)
        if not rank:
            row = []
            continue
        count += sum(other > rank for other in row)
        row.append(rank)
    return count


@pytest.mark.parametrize(
    "text", ["", "abc", "Nguyễn Thị Ánh", "Nguye\u0302\u0303n", "—" * 40, "ไม่มีชื่อ", "👩‍👩‍👧‍👦" * 9]
)
def test_ordinary_text_is_only_composed(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)


@given(st.text(CHARACTERS, max_size=120))
def test_no_row_of_marks_is_longer_than_thirty(text: str) -> None:
    assert max(rows_of_marks(stream_safe(text))) <= MAX_MARKS


@given(st.text(CHARACTERS, max_size=120))
def test_only_joiners_are_inserted_and_a_second_time_changes_nothing(text: str) -> None:
    safe = stream_safe(text)

    assert safe.replace("\u034f", "") == text.replace("\u034f", "")
    assert stream_safe(safe) == safe
    assert nfc(nfc(text)) == nfc(text)


@given(st.text(CHARACTERS, max_size=80))
def test_a_folded_text_folds_to_itself(text: str) -> None:
    assert fold_uncached(fold_uncached(text)) == fold_uncached(text)


def test_the_work_of_sorting_marks_grows_with_the_length() -> None:
    works = [swaps(stream_safe(ALTERNATING * (size // 2))) for size in (4_000, 8_000, 16_000)]

    assert all(later <= 2.1 * earlier for earlier, later in pairwise(works))
    assert swaps(ALTERNATING * 1_000) > 3 * swaps(ALTERNATING * 500)  # as they come, it grows with the square


def test_the_lines_that_run_grow_with_the_length() -> None:
    lines = [lines_run(ALTERNATING * (size // 2)) for size in (2_000, 4_000, 8_000)]

    assert all(later <= 2.1 * earlier for earlier, later in pairwise(lines))


@pytest.mark.parametrize("size", [60_000, 160_000])
def test_long_rows_of_marks_are_folded_and_split(size: int) -> None:
    text = ALTERNATING * (size // 2)

    assert max(rows_of_marks(fold_uncached(text))) <= MAX_MARKS
    assert len(parse_tags(f"VIP,{text}")) == 2


def lines_run(text: str) -> int:
    """How many lines of Python run when a text is folded. NFC itself works on rows of at most thirty marks."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: object) -> TraceFunction:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        fold_uncached(text)
    finally:
        sys.settrace(before)
    return count
