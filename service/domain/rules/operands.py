"""What a condition compares with: from the value as authored to the value as compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from service.domain.customers import CURRENCY_EXPONENTS, DEFAULT_EXPONENT, MAX_ID, fold, to_ten_thousandths
from service.domain.rules.amounts import format_plain, parse_amount, parse_duration_days
from service.domain.rules.fields import Field

Scalar = bool | int | float | Decimal | str
RawValue = Scalar | tuple[Scalar, ...] | None
Operand = int | tuple[int, int] | frozenset[str] | frozenset[int] | str | None

GENDERS: Final[Mapping[str, int]] = {"male": 1, "nam": 1, "female": 0, "nữ": 0, "nu": 0}
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class OperandType(StrEnum):
    """The shape of value that an operator takes."""

    NONE = "nothing"
    MONEY = "amount"
    MONEY_RANGE = "amounts"
    INTEGER = "count"
    INTEGER_RANGE = "counts"
    DURATION = "span"
    DATE = "day"
    MONTH = "month"
    BOOLEAN = "flag"
    CHOICE = "choice"
    CHOICE_LIST = "choices"
    TEXT = "text"
    TAG_LIST = "tags"


class InvalidOperand(ValueError):
    """A value that its operator cannot compare with; the message says what is expected."""


def parse_operand(*, takes: OperandType, field: Field, value: RawValue, currency: str) -> Operand:
    """Make an authored value comparable; raises BadValue.

    Money becomes ten-thousandths, lengths of time days, dates ordinals, texts folded keys.
    """
    if takes is OperandType.NONE:
        if value is not None:
            raise InvalidOperand("this operator takes no value; leave 'value' out")
        return None
    return _READERS[takes](field, value, currency)


def _amount(_: Field, value: RawValue, currency: str) -> int:
    if isinstance(value, str):
        meant = parse_amount(value)
        written = "a number" if meant is None else f"a number: {format_plain(meant)}"
        raise InvalidOperand(f"write the amount as {written} (got the text {value!r})")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidOperand("write the amount as a number, such as 10_000_000")
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not isinstance(value, int):
        _check_fraction(number, CURRENCY_EXPONENTS.get(currency, DEFAULT_EXPONENT), currency)
    try:
        return to_ten_thousandths(number)
    except ValueError as exc:
        raise InvalidOperand(str(exc)) from exc


def _check_fraction(number: Decimal, digits: int, currency: str) -> None:
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise InvalidOperand("write the amount as a number, such as 10_000_000")
    if not digits:
        meant = f"; did you mean {format_plain(number.scaleb(-exponent))}?" if exponent == -3 else ""
        raise InvalidOperand(f"{currency} has no decimals: write a whole number without a point{meant}")
    if -exponent > digits:
        raise InvalidOperand(f"{currency} has {digits} decimals, not {-exponent}")


def _count(_: Field, value: RawValue, __: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOperand(f"expected a whole number, got {_shown(value)}")
    if abs(value) > MAX_ID:
        raise InvalidOperand("the number is too large")
    return value


def _pair(read: Callable[[Field, RawValue, str], int]) -> Callable[[Field, RawValue, str], tuple[int, int]]:
    def both(field: Field, value: RawValue, currency: str) -> tuple[int, int]:
        if not isinstance(value, tuple) or len(value) != 2:
            raise InvalidOperand("expected two numbers, lowest first, such as [1, 5]")
        low, high = read(field, value[0], currency), read(field, value[1], currency)
        if low > high:
            raise InvalidOperand("the first number is larger than the second")
        return low, high

    return both


def _span(_: Field, value: RawValue, __: str) -> int:
    days = parse_duration_days(value) if isinstance(value, str) else None
    if days is None:
        raise InvalidOperand(f"expected a length of time such as '90 days' or '90 ngày', got {_shown(value)}")
    return days


def _day(_: Field, value: RawValue, __: str) -> int:
    try:
        if isinstance(value, str) and _ISO_DAY.fullmatch(value):
            return date.fromisoformat(value).toordinal()
    except ValueError:
        pass  # the 30th of February: told below, like any other text that is no day
    raise InvalidOperand(f"expected a date such as 2026-07-01 (year-month-day), got {_shown(value)}")


def _month(_: Field, value: RawValue, __: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 12:
        raise InvalidOperand(f"expected a month from 1 to 12, got {_shown(value)}")
    return value


def _flag(_: Field, value: RawValue, __: str) -> int:
    if not isinstance(value, bool):
        raise InvalidOperand("expected true or false")
    return value


def _choice(field: Field, value: RawValue, _: str) -> frozenset[int] | frozenset[str]:
    if isinstance(value, tuple):
        raise InvalidOperand("expected one value; use 'in' or 'not_in' for a list")
    return _choices(field, (value,) if value is not None else (), "")


def _choices(field: Field, value: RawValue, _: str) -> frozenset[int] | frozenset[str]:
    if not isinstance(value, tuple):
        raise InvalidOperand(f"expected a list, such as [{_shown(value)}]")
    if not value:
        raise InvalidOperand("expected at least one value")
    if field.name == "gender":
        return frozenset(map(_gender, value))
    return frozenset(map(_words, value))


def _gender(value: Scalar) -> int:
    if isinstance(value, str) and fold(value) in GENDERS:
        return GENDERS[fold(value)]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 9:
        raise InvalidOperand(f"expected male (1) or female (0), got {_shown(value)}")
    return value


def _words(value: Scalar) -> str:
    if not isinstance(value, str):
        raise InvalidOperand(f"expected a text, got {_shown(value)}; put it in quotes: '{value}'")
    if not (folded := fold(value)):
        raise InvalidOperand("expected a text that is not empty")
    return folded


def _text(_: Field, value: RawValue, __: str) -> str:
    if isinstance(value, tuple) or value is None:
        raise InvalidOperand("expected one text")
    return _words(value)


def _tag_list(_: Field, value: RawValue, __: str) -> frozenset[str]:
    if not isinstance(value, tuple):
        raise InvalidOperand(f"expected a list of tags, such as [{_shown(value)}]")
    if not value:
        raise InvalidOperand("expected at least one tag")
    if any(isinstance(tag, str) and "," in tag for tag in value):
        raise InvalidOperand("a tag can never contain a comma: write the tags apart, as a list")
    return frozenset(map(_words, value))


def _shown(value: RawValue) -> str:
    """A value short enough for a message, as the author wrote it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "a list"
    return repr(value[:40]) if isinstance(value, str) else str(value)[:40]


_READERS: Final[Mapping[OperandType, Callable[[Field, RawValue, str], Operand]]] = {
    OperandType.MONEY: _amount,
    OperandType.MONEY_RANGE: _pair(_amount),
    OperandType.INTEGER: _count,
    OperandType.INTEGER_RANGE: _pair(_count),
    OperandType.DURATION: _span,
    OperandType.DATE: _day,
    OperandType.MONTH: _month,
    OperandType.BOOLEAN: _flag,
    OperandType.CHOICE: _choice,
    OperandType.CHOICE_LIST: _choices,
    OperandType.TEXT: _text,
    OperandType.TAG_LIST: _tag_list,
}
