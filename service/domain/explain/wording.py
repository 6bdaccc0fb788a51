"""The translator: texts for people in their language, from a catalog, with amounts, days and lists as they write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from gettext import NullTranslations
from typing import Final, Literal

from babel.dates import get_month_names
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal

from service.domain.customers import round_for_display

Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("vi", "en")
MAX_LISTED: Final = 5  # items of a list in a sentence
_PLAIN_SPACES: Final = str.maketrans({"\u00a0": " ", "\u202f": " "})  # otherwise a search misses "340.000 ₫"


class StrictTranslations(NullTranslations):
    """The last fallback of a catalog: a key that is not in the catalog is a bug, never a text to show."""

    def gettext(self, message: str) -> str:
        raise KeyError(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        raise KeyError(msgid1)


@dataclass(frozen=True, slots=True)
class Translator:
    """Texts of one language. `catalog` must fall back to `StrictTranslations`."""

    language: Language
    catalog: NullTranslations
    has_plain_times: bool = False  # for pages; otherwise times are written so that a command takes them

    def __call__(self, key: str, **params: object) -> str:
        """Return the text of a key with its placeholders filled. Raises KeyError for an unknown key."""
        return self.catalog.gettext(key).format(**params)

    def has(self, key: str) -> bool:
        """Return whether the catalog has a text for this key."""
        try:
            self.catalog.gettext(key)
        except KeyError:
            return False
        return True

    def plural(self, key: str, n: int, **params: object) -> str:
        """Return the text in the plural form of `n`. `n` itself fills the placeholder {n}."""
        return self.catalog.ngettext(key, f"{key}.many", n).format(n=self.number(n), **params)

    def number(self, n: int | Decimal) -> str:
        """Format a number with separators for thousands."""
        return format_decimal(n, locale=self.language).translate(_PLAIN_SPACES)

    def money(self, amount: int, currency: str, *, up: bool = False) -> str:
        """Format an amount of ten-thousandths, rounded for display: 340.000 ₫. `up`: see `round_for_display`."""
        shown = round_for_display(amount, currency, up=up)
        return format_currency(shown, currency, locale=self.language).translate(_PLAIN_SPACES)

    def days(self, n: int) -> str:
        """Format a length of time in days."""
        return self.plural("days", n)

    def day(self, day: date | int | str) -> str:
        """Format a day, given as a date, its ordinal or its ISO form."""
        return self._format_day("date", day)

    def moment(self, at: datetime) -> str:
        """Format a time to the minute: 29/11/2026 15:44 if times are plain, otherwise ISO with its offset."""
        if self.has_plain_times:
            return f"{self.day(at.date())} {at:%H:%M}"
        return at.isoformat(sep=" ", timespec="minutes")

    def anniversary(self, day: date | int | str) -> str:
        """Format a day without its year."""
        return self._format_day("anniversary", day)

    def month(self, number: int) -> str:
        """Return the name of a month (1 to 12)."""
        if self.language == "vi":
            names = get_month_names("wide", context="stand-alone", locale=self.language)
            return str(names[number]).lower()
        return str(get_month_names("wide", locale=self.language)[number])

    def join_list(self, items: Iterable[str]) -> str:
        """Join items as the language does: a, b và c."""
        return format_list(list(items), locale=self.language)

    def truncate_list(self, items: Sequence[str]) -> str:
        """Join the first few items of a list, and count the rest."""
        shown = ", ".join(items[:MAX_LISTED])
        return shown if len(items) <= MAX_LISTED else f"{shown}, … (+{len(items) - MAX_LISTED})"

    def _format_day(self, key: str, day: date | int | str) -> str:
        if isinstance(day, str):
            day = date.fromisoformat(day)
        elif isinstance(day, int):
            day = date.fromordinal(day)
        names = get_month_names("abbreviated", locale=self.language)
        return self(key, day=day.day, month=day.month, year=day.year, name=names[day.month])
