"""Unicode normalisation (NFC) whose work grows with the length of the text and no faster."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_MARKS: Final = 30  # combining marks in a row: the Stream-Safe Text Format, UAX #15 §13
_JOINER: Final = "\u034f"  # COMBINING GRAPHEME JOINER: ends a row of marks and is not shown
# A mark is no word character, and decomposes into at most two marks. The letter before may bring three more.
_MAY_HAVE_TOO_MANY_MARKS: Final = re.compile(r"\W{14}")


def nfc(text: str) -> str:
    """Compose characters (NFC), with a joiner in every row of more than 30 combining marks.

    NFC sorts a row of marks by insertion, so a row of 60,000 marks would take seconds.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", stream_safe(text))


def stream_safe(text: str) -> str:
    """Insert a joiner after every 30 combining marks in a row (UAX #15, Stream-Safe Text Process)."""
    if _MAY_HAVE_TOO_MANY_MARKS.search(text) is None:
        return text
    safe: list[str] = []
    row = 0
    for character in text:
        leading, trailing, is_mark = _marks(character)
        if row + leading > MAX_MARKS:
            safe.append(_JOINER)
            row = 0
        safe.append(character)
        row = row + trailing if is_mark else trailing
    return "".join(safe)


@lru_cache(maxsize=4096)  # more than there are combining marks; a long row has the same ones again and again
def _marks(character: str) -> tuple[int, int, bool]:
    """How many marks a character begins and ends with when it is decomposed, and whether it consists of marks."""
    classes = [*map(unicodedata.combining, unicodedata.normalize("NFKD", character))]
    starters = [index for index, value in enumerate(classes) if value == 0]
    if not starters:
        return len(classes), len(classes), True
    return starters[0], len(classes) - 1 - starters[-1], False
