"""What a condition compares with: from the value as authored to the value as compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from service.domain.amounts import plain, read_amount, read_span
from service.domain.customers import MAX_ID
from service.domain.fields import Field
from service.domain.money import CURRENCY_EXPONENTS, DEFAULT_EXPONENT, to_ten_thousandths
from service.domain.tags import fold

Scalar = bool | int | float | Decimal | str
Authored = Scalar | tuple[Scalar, ...] | None
Compared = int | tuple[int, int] | frozenset[str] | frozenset[int] | str | None

GENDERS: Final[Mapping[str, int]] = {"male": 1, "nam": 1, "female": 0, "nữ": 0, "nu": 0}
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Takes(StrEnum):
    """The shape of value that an operator takes."""

    NOTHING = "nothing"
    AMOUNT = "amount"
    AMOUNTS = "amounts"
    COUNT = "count"
    COUNTS = "counts"
    SPAN = "span"
    DAY = "day"
    MONTH = "month"
    FLAG = "flag"
    CHOICE = "choice"
    CHOICES = "choices"
    TEXT = "text"
    TAGS = "tags"


class BadValue(ValueError):
    """A value that its operator cannot compare with; the message says what is expected."""


def read_value(*, takes: Takes, field: Field, value: Authored, currency: str) -> Compared:
    """Make an authored value comparable; raises BadValue.

    Money becomes ten-thousandths, lengths of time days, dates ordinals, texts folded keys.
    """
    if takes is Takes.NOTHING:
        if value is not None:
            raise BadValue("this operator takes no value; leave 'value' out")
        return None
    return _READERS[takes](field, value, currency)


def _amount(_: Field, value: Authored, currency: str) -> int:
    if isinstance(value, str):
        meant = read_amount(value)
        written = "a number" if meant is None else f"a number: {plain(meant)}"
        raise BadValue(f"write the amount as {written} (got the text {value!r})")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadValue("write the amount as a number, such as 10_000_000")
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not isinstance(value, int):
        _check_fraction(number, CURRENCY_EXPONENTS.get(currency, DEFAULT_EXPONENT), currency)
    try:
        return to_ten_thousandths(number)
    except ValueError as exc:
        raise BadValue(str(exc)) from exc


def _check_fraction(number: Decimal, digits: int, currency: str) -> None:
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise BadValue("write the amount as a number, such as 10_000_000")
    if not digits:
        meant = f"; did you mean {plain(number.scaleb(-exponent))}?" if exponent == -3 else ""
        raise BadValue(f"{currency} has no decimals: write a whole number without a point{meant}")
    if -exponent > digits:
        raise BadValue(f"{currency} has {digits} decimals, not {-exponent}")


def _count(_: Field, value: Authored, __: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue(f"expected a whole number, got {_shown(value)}")
    if abs(value) > MAX_ID:
        raise BadValue("the number is too large")
    return value


def _pair(read: Callable[[Field, Authored, str], int]) -> Callable[[Field, Authored, str], tuple[int, int]]:
    def both(field: Field, value: Authored, currency: str) -> tuple[int, int]:
        if not isinstance(value, tuple) or len(value) != 2:
            raise BadValue("expected two numbers, lowest first, such as [1, 5]")
        low, high = read(field, value[0], currency), read(field, value[1], currency)
        if low > high:
            raise BadValue("the first number is larger than the second")
        return low, high

    return both


def _span(_: Field, value: Authored, __: str) -> int:
    days = read_span(value) if isinstance(value, str) else None
    if days is None:
        raise BadValue(f"expected a length of time such as '90 days' or '90 ngày', got {_shown(value)}")
    return days


def _day(_: Field, value: Authored, __: str) -> int:
    try:
        if isinstance(value, str) and _ISO_DAY.fullmatch(value):
            return date.fromisoformat(value).toordinal()
    except ValueError:
        pass  # the 30th of February: told below, like any other text that is no day
    raise BadValue(f"expected a date such as 2026-07-01 (year-month-day), got {_shown(value)}")


def _month(_: Field, value: Authored, __: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 12:
        raise BadValue(f"expected a month from 1 to 12, got {_shown(value)}")
    return value


def _flag(_: Field, value: Authored, __: str) -> int:
    if not isinstance(value, bool):
        raise BadValue("expected true or false")
    return value


def _choice(field: Field, value: Authored, _: str) -> frozenset[int] | frozenset[str]:
    if isinstance(value, tuple):
        raise BadValue("expected one value; use 'in' or 'not_in' for a list")
    return _choices(field, (value,) if value is not None else (), "")


def _choices(field: Field, value: Authored, _: str) -> frozenset[int] | frozenset[str]:
    if not isinstance(value, tuple):
        raise BadValue(f"expected a list, such as [{_shown(value)}]")
    if not value:
        raise BadValue("expected at least one value")
    if field.name == "gender":
        return frozenset(map(_gender, value))
    return frozenset(map(_words, value))


def _gender(value: Scalar) -> int:
    if isinstance(value, str) and fold(value) in GENDERS:
        return GENDERS[fold(value)]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 9:
        raise BadValue(f"expected male (1) or female (0), got {_shown(value)}")
    return value


def _words(value: Scalar) -> str:
    if not isinstance(value, str):
        raise BadValue(f"expected a text, got {_shown(value)}; put it in quotes: '{value}'")
    if not (folded := fold(value)):
        raise BadValue("expected a text that is not empty")
    return folded


def _text(_: Field, value: Authored, __: str) -> str:
    if isinstance(value, tuple) or value is None:
        raise BadValue("expected one text")
    return _words(value)


def _tag_list(_: Field, value: Authored, __: str) -> frozenset[str]:
    if not isinstance(value, tuple):
        raise BadValue(f"expected a list of tags, such as [{_shown(value)}]")
    if not value:
        raise BadValue("expected at least one tag")
    if any(isinstance(tag, str) and "," in tag for tag in value):
        raise BadValue("a tag can never contain a comma: write the tags apart, as a list")
    return frozenset(map(_words, value))


def _shown(value: Authored) -> str:
    """A value short enough for a message, as the author wrote it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "a list"
    return repr(value[:40]) if isinstance(value, str) else str(value)[:40]


_READERS: Final[Mapping[Takes, Callable[[Field, Authored, str], Compared]]] = {
    Takes.AMOUNT: _amount,
    Takes.AMOUNTS: _pair(_amount),
    Takes.COUNT: _count,
    Takes.COUNTS: _pair(_count),
    Takes.SPAN: _span,
    Takes.DAY: _day,
    Takes.MONTH: _month,
    Takes.FLAG: _flag,
    Takes.CHOICE: _choice,
    Takes.CHOICES: _choices,
    Takes.TEXT: _text,
    Takes.TAGS: _tag_list,
}
