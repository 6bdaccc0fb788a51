"""Operands: the values of conditions, converted from what an author wrote to what facts are compared with.

Amounts and durations may be texts in Vietnamese or English, with or without accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from service.domain.customers import (
    CURRENCY_EXPONENTS,
    DEFAULT_EXPONENT,
    MAX_ID,
    fold,
    stream_safe,
    to_ten_thousandths,
)
from service.domain.rules.fields import Field
from service.domain.rules.messages import Message, Param, message

Scalar = bool | int | float | Decimal | str
AuthoredValue = Scalar | tuple[Scalar, ...] | None
Operand = int | tuple[int, int] | frozenset[str] | frozenset[int] | str | None

GENDERS: Final[Mapping[str, int]] = {"male": 1, "nam": 1, "female": 0, "nữ": 0, "nu": 0}
MAX_DAYS: Final = 36_500  # of a duration
_DURATION: Final = re.compile(r"([0-9][0-9_]{0,8})\s*([a-z]+)")
_AMOUNT: Final = re.compile(
    r"(-?[0-9][0-9._,\s]{0,30}?)\s*(trieu|tr|m|nghin|ngan|k|ty|ti)?\s*(?:d|₫|vnd|dong)?"
)
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:([.,\s_])[0-9]{3})(?:\1[0-9]{3})*")
_DAYS_BY_UNIT: Final[Mapping[str, int]] = {
    **dict.fromkeys(("day", "days", "ngay"), 1),
    **dict.fromkeys(("week", "weeks", "tuan"), 7),
    **dict.fromkeys(("month", "months", "thang"), 30),
    **dict.fromkeys(("year", "years", "nam"), 365),
}
_AMOUNT_MULTIPLIERS: Final[Mapping[str, int]] = {
    "": 1,
    **dict.fromkeys(("k", "nghin", "ngan"), 1_000),
    **dict.fromkeys(("tr", "trieu", "m"), 1_000_000),
    **dict.fromkeys(("ty", "ti"), 1_000_000_000),
}
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class OperandType(StrEnum):
    """The kind of value that an operator takes."""

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
    """A value that its operator cannot use; `message` says what is expected."""

    def __init__(self, key: str, /, **params: Param) -> None:
        self.message = message(key, **params)
        super().__init__(str(self.message))


def parse_operand(*, operand_type: OperandType, field: Field, value: AuthoredValue, currency: str) -> Operand:
    """Convert an authored value to the value that facts are compared with; raises InvalidOperand.

    Money becomes ten-thousandths, a duration becomes days, a date its ordinal, a text its folded key.
    """
    if operand_type is OperandType.NONE:
        if value is not None:
            raise InvalidOperand("no_value")
        return None
    return _PARSERS[operand_type](field, value, currency)


def _amount(_: Field, value: AuthoredValue, currency: str) -> int:
    if isinstance(value, str):
        amount = parse_amount(value)
        if amount is None:
            raise InvalidOperand("amount", got=format_authored(value))
        raise InvalidOperand("amount.text", got=format_authored(value), number=format_plain(amount))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidOperand("amount", got=format_authored(value))
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not isinstance(value, int):
        _check_decimals(number, currency)
    try:
        return to_ten_thousandths(number)
    except ValueError as exc:
        raise InvalidOperand("number_too_large") from exc


def _check_decimals(number: Decimal, currency: str) -> None:
    """Refuse more decimals than the currency has: 10.000 in a VND document probably means ten thousand."""
    digits = CURRENCY_EXPONENTS.get(currency, DEFAULT_EXPONENT)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise InvalidOperand("amount", got=str(number))
    if not digits:
        meant = format_plain(number.scaleb(-exponent)) if exponent == -3 else ""
        hint = message("did_you_mean", word=meant) if meant else ""
        raise InvalidOperand("no_decimals", currency=currency, hint=hint)
    if -exponent > digits:
        raise InvalidOperand("too_many_decimals", currency=currency, limit=digits, count=-exponent)


def _integer(_: Field, value: AuthoredValue, __: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOperand("whole_number", got=format_authored(value))
    if abs(value) > MAX_ID:
        raise InvalidOperand("number_too_large")
    return value


def _range(
    parse: Callable[[Field, AuthoredValue, str], int],
) -> Callable[[Field, AuthoredValue, str], tuple[int, int]]:
    def parse_range(field: Field, value: AuthoredValue, currency: str) -> tuple[int, int]:
        if not isinstance(value, tuple) or len(value) != 2:
            raise InvalidOperand("range")
        low, high = parse(field, value[0], currency), parse(field, value[1], currency)
        if low > high:
            raise InvalidOperand("range.order")
        return low, high

    return parse_range


def _duration(_: Field, value: AuthoredValue, __: str) -> int:
    days = parse_duration_days(value) if isinstance(value, str) else None
    if days is None:
        raise InvalidOperand("duration", got=format_authored(value))
    return days


def _date(_: Field, value: AuthoredValue, __: str) -> int:
    try:
        if isinstance(value, str) and _ISO_DAY.fullmatch(value):
            return date.fromisoformat(value).toordinal()
    except ValueError:
        pass  # 30 February: refused below, like any other text that is not a date
    raise InvalidOperand("date", got=format_authored(value))


def _month(_: Field, value: AuthoredValue, __: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 12:
        raise InvalidOperand("month", got=format_authored(value))
    return value


def _boolean(_: Field, value: AuthoredValue, __: str) -> int:
    if not isinstance(value, bool):
        raise InvalidOperand("boolean")
    return value


def _choice(field: Field, value: AuthoredValue, _: str) -> frozenset[int] | frozenset[str]:
    if isinstance(value, tuple):
        raise InvalidOperand("single_value")
    return _choice_list(field, (value,) if value is not None else (), "")


def _choice_list(field: Field, value: AuthoredValue, _: str) -> frozenset[int] | frozenset[str]:
    if not isinstance(value, tuple):
        raise InvalidOperand("list", got=format_authored(value))
    if not value:
        raise InvalidOperand("list.empty")
    if field.name == "gender":
        return frozenset(map(_gender, value))
    return frozenset(map(_key, value))


def _gender(value: Scalar) -> int:
    if isinstance(value, str) and fold(value) in GENDERS:
        return GENDERS[fold(value)]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 9:
        raise InvalidOperand("gender", got=format_authored(value))
    return value


def _key(value: Scalar) -> str:
    """Fold a text; raises InvalidOperand."""
    if not isinstance(value, str):
        raise InvalidOperand("text.quote", value=str(format_authored(value)))
    if not (key := fold(value)):
        raise InvalidOperand("text.empty")
    return key


def _text(_: Field, value: AuthoredValue, __: str) -> str:
    if isinstance(value, tuple) or value is None:
        raise InvalidOperand("single_text")
    return _key(value)


def _tag_list(_: Field, value: AuthoredValue, __: str) -> frozenset[str]:
    if not isinstance(value, tuple):
        raise InvalidOperand("tag_list", got=format_authored(value))
    if not value:
        raise InvalidOperand("tag_list.empty")
    if any(isinstance(tag, str) and "," in tag for tag in value):
        raise InvalidOperand("tag_list.comma")
    return frozenset(map(_key, value))


def format_authored(value: object) -> str | Message:
    """Format a value for a message as its author wrote it, shortened."""
    if value is None:
        return message("got.nothing")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return message("got.list")
    if isinstance(value, dict):
        return message("got.mapping")
    return f"'{value[:40]}'" if isinstance(value, str) else str(value)[:40]


_PARSERS: Final[Mapping[OperandType, Callable[[Field, AuthoredValue, str], Operand]]] = {
    OperandType.MONEY: _amount,
    OperandType.MONEY_RANGE: _range(_amount),
    OperandType.INTEGER: _integer,
    OperandType.INTEGER_RANGE: _range(_integer),
    OperandType.DURATION: _duration,
    OperandType.DATE: _date,
    OperandType.MONTH: _month,
    OperandType.BOOLEAN: _boolean,
    OperandType.CHOICE: _choice,
    OperandType.CHOICE_LIST: _choice_list,
    OperandType.TEXT: _text,
    OperandType.TAG_LIST: _tag_list,
}


def strip_accents(text: str) -> str:
    """Return the text in lower case without accents (đ becomes d): for parsing units, never for matching."""
    decomposed = unicodedata.normalize("NFD", stream_safe(text.strip().casefold()))
    unaccented = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unaccented.replace("đ", "d")


def parse_duration_days(text: str) -> int | None:
    """Parse '90 days', '90 ngày', '3 months' (30 days each), '2 tuần' or '1 year' (365 days); None for other texts."""
    match = _DURATION.fullmatch(strip_accents(text)) if len(text) <= 40 else None
    if match is None or match[2] not in _DAYS_BY_UNIT:
        return None
    days = int(match[1].replace("_", "")) * _DAYS_BY_UNIT[match[2]]
    return days if days <= MAX_DAYS else None


def parse_amount(text: str) -> Decimal | None:
    """Parse '10.000.000', '10 triệu', '10tr', '1,5 triệu', '500k' or '10,000,000 đ'; None for other texts.

    Documents must write amounts as numbers; this suggests the number. A separator before exactly three digits
    groups thousands, as Vietnamese readers expect.
    """
    match = _AMOUNT.fullmatch(strip_accents(text)) if len(text) <= 60 else None
    if match is None:
        return None
    digits = match[1].strip()
    if _GROUPED.fullmatch(digits):
        digits = re.sub(r"[.,\s_]", "", digits)
    try:
        return Decimal(digits.replace("_", "").replace(",", ".")) * _AMOUNT_MULTIPLIERS[match[2] or ""]
    except InvalidOperation:
        return None


def format_plain(number: Decimal) -> str:
    """Format a number without an exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
