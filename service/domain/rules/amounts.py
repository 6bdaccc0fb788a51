"""Amounts and lengths of time as people type them, in Vietnamese or English, with or without accents."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

MAX_DAYS: Final = 36_500
_SPAN: Final = re.compile(r"([0-9][0-9_]{0,8})\s*([a-z]+)")
_AMOUNT: Final = re.compile(
    r"(-?[0-9][0-9._,\s]{0,30}?)\s*(trieu|tr|m|nghin|ngan|k|ty|ti)?\s*(?:d|₫|vnd|dong)?"
)
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:([.,\s_])[0-9]{3})(?:\1[0-9]{3})*")
_DAYS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("day", "days", "ngay"), 1),
    **dict.fromkeys(("week", "weeks", "tuan"), 7),
    **dict.fromkeys(("month", "months", "thang"), 30),
    **dict.fromkeys(("year", "years", "nam"), 365),
}
_TIMES: Final[Mapping[str, int]] = {
    "": 1,
    **dict.fromkeys(("k", "nghin", "ngan"), 1_000),
    **dict.fromkeys(("tr", "trieu", "m"), 1_000_000),
    **dict.fromkeys(("ty", "ti"), 1_000_000_000),
}


def strip_accents(text: str) -> str:
    """The text in lower case without accents (đ is d): for reading units, never for matching."""
    decomposed = unicodedata.normalize("NFD", text.strip().casefold())
    kept = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return kept.replace("đ", "d")


def parse_duration_days(text: str) -> int | None:
    """Days in '90 days', '90 ngày', '3 months' (30 days each), '2 tuần', '1 year' (365); None if it is none."""
    found = _SPAN.fullmatch(strip_accents(text)) if len(text) <= 40 else None
    if found is None or found[2] not in _DAYS:
        return None
    days = int(found[1].replace("_", "")) * _DAYS[found[2]]
    return days if days <= MAX_DAYS else None


def parse_amount(text: str) -> Decimal | None:
    """The number in '10.000.000', '10 triệu', '10tr', '1,5 triệu', '500k', '10,000,000 đ'; None if it is none.

    For forms: a document writes amounts as numbers. A single separator before exactly three digits
    groups thousands, as Vietnamese readers expect.
    """
    found = _AMOUNT.fullmatch(strip_accents(text)) if len(text) <= 60 else None
    if found is None:
        return None
    digits = found[1].strip()
    if _GROUPED.fullmatch(digits):
        digits = re.sub(r"[.,\s_]", "", digits)
    try:
        return Decimal(digits.replace("_", "").replace(",", ".")) * _TIMES[found[2] or ""]
    except InvalidOperation:
        return None


def format_plain(number: Decimal) -> str:
    """A number as a document writes it: no exponent, no needless zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
