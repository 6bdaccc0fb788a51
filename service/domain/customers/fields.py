"""The value of one field of a record, from whatever JSON has it.

A parser returns the value, or None for an empty field. It raises ValueError for what is no value of this field, and
FieldTooLarge for one beyond the limits. The table of what is accepted is deploy/docs/records.md.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final, NoReturn

from service.domain.customers.money import AmountTooLarge, to_ten_thousandths
from service.domain.customers.normalize import nfc
from service.domain.customers.tags import MAX_TAG, parse_tags

MAX_ID: Final = 2**63 - 1
MAX_TEXT: Final = 4_096  # characters
MAX_TAGS: Final = 65_536  # characters of all tags with their commas
# .NET writes 0001-01-01 for no date, spreadsheets and SQL Server 1900-01-01, iOS 1604 for no year.
FIRST_DATE_MS: Final = int(datetime(1900, 1, 2, tzinfo=UTC).timestamp() * 1000)
_MAX_NUMBER: Final = 128  # characters of a number in a text
_MAX_TIME: Final = 64  # characters
_MAX_CACHED_TAGS: Final = 1_024  # characters
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,9})?")


class FieldTooLarge(ValueError):
    """A text is too long, or a number too large."""


def parse_amount(value: object) -> int | None:
    """Ten-thousandths of a unit. Negative amounts are values: a shop may have paid back more than was ever paid."""
    number = _parse_number(value)
    try:
        return None if number is None else to_ten_thousandths(number)
    except AmountTooLarge as exc:
        raise FieldTooLarge("the amount is too large") from exc


def parse_count(value: object) -> int | None:
    """A whole number from 0."""
    number = _parse_number(value)
    if number is None:
        return None
    if number > MAX_ID:  # compared before it is converted: int() of 1e1000000 would never end
        raise FieldTooLarge("the number is too large")
    if number < 0 or number != int(number):
        raise ValueError("not a whole number from 0")
    return int(number)


def parse_flag(value: object) -> bool | None:
    """A boolean, or its text."""
    if value is None or isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else None
    return _FLAGS[text] if text in _FLAGS else _refuse()


def parse_time(value: object) -> int | None:
    """Milliseconds since 1970, UTC, of an ISO date or time; see `to_ms`."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_TIME:
        return _refuse()
    text = value.strip()
    return to_ms(datetime.fromisoformat(text)) if text else None


def parse_text(value: object) -> str | None:
    """A text of at most 4,096 characters; see `clean`. A number is its digits."""
    if value is None:
        return None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        number = _parse_number(value)
        if number is None or not -MAX_ID <= number <= MAX_ID:
            raise FieldTooLarge("the number is too large")
        value = str(value)
    if not isinstance(value, str):
        return _refuse()
    if len(value) > MAX_TEXT:
        raise FieldTooLarge("the text is too long")
    if not value.isascii():
        value.encode()  # half a character (U+D800) raises UnicodeEncodeError, a ValueError
    return clean(value)


def parse_state(value: object) -> str | None:
    """A text without case."""
    text = parse_text(value)
    return text and text.casefold()


def parse_tag_string(value: object) -> tuple[str, ...]:
    """Haravan's comma-joined tags, each of at most 255 characters. None and an empty text are no tags."""
    if value is None:
        return ()
    if not isinstance(value, str):
        return _refuse()
    if not value.isascii():
        value.encode()
    return split_tags(value)


def split_tags(text: str) -> tuple[str, ...]:
    """Raises FieldTooLarge before it normalises anything."""
    if len(text) > MAX_TAGS:
        raise FieldTooLarge("the tags are too long")
    if len(text) > MAX_TAG and any(len(tag.strip()) > MAX_TAG for tag in text.split(",")):
        raise FieldTooLarge("a tag is too long")
    return _cached_tags(text) if len(text) <= _MAX_CACHED_TAGS else parse_tags(text)


def clean(text: str | None) -> str | None:
    """The text in NFC without outer spaces; None if nothing is left."""
    return nfc(text).strip() or None if text else None


def to_ms(time: datetime | None) -> int | None:
    """Milliseconds since 1970, UTC; None before 2 January 1900. A time without a zone is UTC."""
    if time is None:
        return None
    ms = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    return ms if ms >= FIRST_DATE_MS else None


_FLAGS: Final[dict[str | None, bool | None]] = {"true": True, "false": False, "": None}


@lru_cache(maxsize=4096)  # most customers have one of a few lists of tags
def _cached_tags(text: str) -> tuple[str, ...]:
    return parse_tags(text)


def _parse_number(value: object) -> Decimal | None:
    """A finite number, or its text in ASCII digits: `10.000.000` and `NaN` are none."""
    match value:
        case None:
            return None
        case bool():
            return _refuse()
        case int():
            number = Decimal(value)
        case float():
            number = Decimal(repr(value))
        case Decimal():
            number = value
        case str():
            text = value.strip()
            if not text:
                return None
            if len(text) > _MAX_NUMBER:
                raise FieldTooLarge("the number is too long")
            number = Decimal(text) if _NUMBER.fullmatch(text) else _refuse()
        case _:
            return _refuse()
    return number if number.is_finite() else _refuse()


def _refuse() -> NoReturn:
    raise ValueError("not a value of this field")
