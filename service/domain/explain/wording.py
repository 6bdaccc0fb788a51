"""What is said to people, in their language: sentences from a catalogue, amounts, days and lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from gettext import NullTranslations
from typing import Final, Literal

from babel.dates import get_month_names
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal

from service.domain.customers import round_for_display

Language = Literal["vi", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("vi", "en")
_NARROW: Final = str.maketrans(
    {"\u00a0": " ", "\u202f": " "}
)  # one kind of space, so that a text can be found


class StrictTranslations(NullTranslations):
    """The end of a catalogue: what is not in it is a mistake of ours, never a text to be shown."""

    def gettext(self, message: str) -> str:
        raise KeyError(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        raise KeyError(msgid1)


@dataclass(frozen=True, slots=True)
class Translator:
    """One language. `catalogue` is handed in (reading it is not this module's business) and ends in NotSaid."""

    language: Language
    catalog: NullTranslations

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of that key with its gaps filled; raises KeyError for a key that is not there."""
        return self.catalog.gettext(key).format(**values)

    def has(self, key: str) -> bool:
        """Is there a sentence of that key?"""
        try:
            self.catalog.gettext(key)
        except KeyError:
            return False
        return True

    def plural(self, key: str, n: int, **values: object) -> str:
        """The sentence in the form that goes with `n`, which fills the gap {n}."""
        return self.catalog.ngettext(key, f"{key}.many", n).format(n=self.number(n), **values)

    def number(self, n: int | Decimal) -> str:
        """A number with its thousands apart."""
        return format_decimal(n, locale=self.language).translate(_NARROW)

    def money(self, amount: int, currency: str, *, up: bool = False) -> str:
        """An amount of ten-thousandths, rounded for display: 340.000 ₫. `up`: it is a difference (see `round_for_display`)."""
        shown = round_for_display(amount, currency, up=up)
        return format_currency(shown, currency, locale=self.language).translate(_NARROW)

    def days(self, n: int) -> str:
        """A length of time."""
        return self.plural("days", n)

    def day(self, on: date | int | str) -> str:
        """A day: a date, its ordinal, or its ISO form."""
        return self._dated("date", on)

    def anniversary(self, on: date | int | str) -> str:
        """A day without its year."""
        return self._dated("anniversary", on)

    def month(self, number: int) -> str:
        """A month by its name."""
        return (
            str(get_month_names("wide", context="stand-alone", locale=self.language)[number]).lower()
            if (self.language == "vi")
            else str(get_month_names("wide", locale=self.language)[number])
        )

    def join_list(self, items: Iterable[str]) -> str:
        """A list as the language writes it: a, b và c."""
        return format_list(list(items), locale=self.language)

    def truncate_list(self, items: Sequence[str], *, most: int = 5) -> str:
        """The first few of a long list."""
        shown = ", ".join(items[:most])
        return shown if len(items) <= most else f"{shown}, … (+{len(items) - most})"

    def _dated(self, key: str, on: date | int | str) -> str:
        if isinstance(on, str):
            on = date.fromisoformat(on)
        elif isinstance(on, int):
            on = date.fromordinal(on)
        names = get_month_names("abbreviated", locale=self.language)
        return self(key, day=on.day, month=on.month, year=on.year, name=names[on.month])
