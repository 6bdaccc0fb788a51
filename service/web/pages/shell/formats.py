"""Amounts, days and moments: how people write them in forms, and how pages show them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from service.domain.explain import Translator
from service.store.rules import describe_note

SCALES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("k", "ng", "nghin", "ngan"), 10**3),
    **dict.fromkeys(("tr", "trieu", "m"), 10**6),
    **dict.fromkeys(("ty", "ti", "b"), 10**9),
}
MAX_TEXT: Final = 40
_CURRENCY: Final = re.compile(r"(đồng|dong|vnd|vnđ|đ|₫)$")
_AMOUNT: Final = re.compile(r"([0-9][0-9., ]*)([a-z]*)([0-9]{1,3})?")
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:([., ])[0-9]{3})(?:\1[0-9]{3})*")
_DECIMAL: Final = re.compile(r"([0-9]+)(?:[.,]([0-9]{1,2}))?")
_TIME: Final = re.compile(r"([0-9]{1,2})[:hg.]([0-9]{2})")
_DAY: Final = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})")


def parse_amount(text: str) -> Decimal | None:
    """An amount in units of the currency, or None if the text is none.

    People write 10.000.000, 10,000,000 ₫, 10tr, 10 triệu, 1,5 tỷ, 1tr5 and 500k. Groups of three digits are thousands,
    whatever separates them; one or two digits after the only separator are decimals.
    """
    if len(text) > MAX_TEXT:
        return None
    plain = _CURRENCY.sub(
        "", unicodedata.normalize("NFC", text.strip().lower()).replace("\u00a0", " ")
    ).strip()
    match = _AMOUNT.fullmatch(_fold(plain).replace("\u202f", " "))
    if match is None:
        return None
    number, scale = _number(match[1].strip()), SCALES.get(match[2], 0 if match[2] else 1)
    if number is None or not scale:
        return None
    if match[3]:  # 1tr5: one million and five tenths of a million
        if not match[2] or number != number.to_integral_value():
            return None
        number += Decimal(f"0.{match[3]}")
    return number * scale


def parse_day(text: str) -> date | None:
    """A day, written 28/11/2026 or as a date field posts it, 2026-11-28. None if the text is none."""
    text = text.strip()
    try:
        if match := _DAY.fullmatch(text):
            return date(int(match[3]), int(match[2]), int(match[1]))
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    """A time of day, written 8:30 or 08:30. None if the text is none."""
    match = _TIME.fullmatch(text.strip())
    try:
        return None if match is None else time(int(match[1]), int(match[2]))
    except ValueError:
        return None


def parse_count(text: str) -> int | None:
    """A whole number that is not negative, with or without separators. None if the text is none."""
    amount = parse_amount(text)
    return int(amount) if amount is not None and amount == amount.to_integral_value() else None


@dataclass(frozen=True, slots=True)
class Formats:
    """How a page shows moments: in the zone of the shop, in the language of the reader."""

    t: Translator
    timezone: str
    now_ms: int

    def moment(self, at_ms: int) -> str:
        """14:02 today, otherwise with the day; an em dash for 0, which means never."""
        if not at_ms:
            return "—"
        at, now = self._at(at_ms), self._at(self.now_ms)
        return f"{at:%H:%M}" if at.date() == now.date() else f"{self.day(at_ms)} {at:%H:%M}"

    def exact(self, at_ms: int) -> str:
        """The moment with the day and seconds, for those who look closely."""
        return f"{self.day(at_ms)} {self._at(at_ms):%H:%M:%S}" if at_ms else "—"

    def iso(self, at_ms: int) -> str:
        """The moment for the attribute `datetime` of an element."""
        return self._at(at_ms).isoformat(timespec="seconds")

    def day(self, at_ms: int) -> str:
        """The day of a moment: 28/11/2026, or 28 Nov 2026 in English."""
        return self.t.day(self._at(at_ms).date())

    def ago(self, at_ms: int) -> str:
        """12 seconds ago; `never` for 0."""
        if not at_ms:
            return self.t("page.never")
        return self.t("page.ago", length=self.length((self.now_ms - at_ms) / 1000))

    def length(self, seconds: float) -> str:
        """A length of time in its largest unit: seconds, minutes, hours or days."""
        whole = max(0, int(seconds))
        for key, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if whole >= size:
                return self.t.plural(key, whole // size)
        return self.t.plural("seconds", whole)

    def note(self, note: str) -> str:
        """The note of a version, in the reader's language if the service wrote it."""
        return describe_note(note, self.t)

    def _at(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(self.timezone))


def _number(text: str) -> Decimal | None:
    if _GROUPED.fullmatch(text):
        return Decimal(re.sub("[., ]", "", text))
    match = _DECIMAL.fullmatch(text)
    return None if match is None else Decimal(f"{match[1]}.{match[2] or 0}")


def _fold(text: str) -> str:
    """Without diacritics: people type `trieu` and `ty`."""
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))
