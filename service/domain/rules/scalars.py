"""The scalars of a rules document: what may stand in each place, and what to write instead."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final
from zoneinfo import ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from service.domain.customers import MAX_ID
from service.domain.rules.amounts import parse_duration_days
from service.domain.rules.calendar import calendar_for
from service.domain.rules.operands import RawValue, Scalar

MAX_TEXT: Final = 200
MAX_LIST: Final = 200
_SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_MAX_DIGITS: Final = 30
_KEEPS: Final = ("while_matching", "forever")
_UNSEEN: Final = frozenset({"Cc", "Zl", "Zp"})  # Unicode's categories of control characters and line breaks


def validation_error(kind: str, message: str, *, at: str = "") -> PydanticCustomError:
    """An error of our own kind; `at` names the key below that is to blame."""
    return PydanticCustomError(kind, "{message}", {"message": message, "at": at})


def _text(value: object) -> str:
    if not isinstance(value, str):
        shown = str(value).lower() if isinstance(value, bool) else str(value)[:40]
        quoted = f"; put it in quotes: '{shown}'" if isinstance(value, bool | int | Decimal | float) else ""
        raise validation_error("not_text", f"expected a text{quoted}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise validation_error("bad_text", "the text has half a character in it (a lone surrogate)") from None
    if len(value) > MAX_TEXT:
        raise validation_error("too_long", f"the text is longer than {MAX_TEXT} characters")
    return value


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        expected = "expected an id of small letters, digits and dashes, such as 'khach-vip'"
        raise validation_error("bad_id", f"{expected}, got {value!r}")
    return value


def _tag(value: str) -> str:
    if "," in value:
        raise validation_error("bad_tag", "a tag can never contain a comma")
    if any(unicodedata.category(sign) in _UNSEEN for sign in value):
        raise validation_error("bad_tag", "a tag can never contain a line break or another control character")
    if not value.strip():
        raise validation_error("bad_tag", "a tag cannot be empty")
    return value


def _span(value: object) -> str:
    if isinstance(value, str) and parse_duration_days(value):
        return value
    raise validation_error(
        "bad_span", f"expected a length of time such as '90 days' or '90 ngày', got {_shown(value)}"
    )


def _keep(value: object) -> str:
    if isinstance(value, str) and (value in _KEEPS or parse_duration_days(value)):
        return value
    near = did_you_mean(value, _KEEPS) if isinstance(value, str) else ""
    expected = "expected while_matching, forever or a length of time such as '30 days'"
    raise validation_error("bad_keep", f"{expected}, got {_shown(value)}{near}")


def _shown(value: object) -> str:
    return repr(value[:MAX_TEXT]) if isinstance(value, str) else str(value)[:40]


def _zone(value: str) -> str:
    try:
        calendar_for(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "expected a name such as Asia/Ho_Chi_Minh"
        raise validation_error("bad_zone", f"unknown time zone {value!r}; {expected}") from None
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise validation_error("bad_currency", f"expected three capital letters, such as VND, got {value!r}")
    return value


def _authored(value: object) -> RawValue:
    """A value as written: a scalar or a list of scalars; whether it fits is the operator's to say."""
    if isinstance(value, list | tuple):
        if len(value) > MAX_LIST:
            raise validation_error(
                "too_many", f"a list has at most {MAX_LIST} values, this one has {len(value)}"
            )
        return tuple(map(_scalar, value))
    return None if value is None else _scalar(value)


def _scalar(value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if abs(value) > MAX_ID:
            raise validation_error("bad_value", "the number is too large")
        return value
    if isinstance(value, float | Decimal):
        return _fraction(Decimal(repr(value)) if isinstance(value, float) else value)
    raise validation_error("bad_value", "expected a number, a text, true or false, or a list of these")


def _fraction(number: Decimal) -> Decimal:
    """A decimal that is finite and small enough to be compared and written down in full."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), len(number.as_tuple().digits)) > _MAX_DIGITS:
        raise validation_error("bad_value", "the number is too large")
    return number


Text = Annotated[str, BeforeValidator(_text)]
Slug = Annotated[Text, AfterValidator(_slug)]
TagText = Annotated[Text, AfterValidator(_tag)]
Duration = Annotated[str, BeforeValidator(_span)]
KeepPolicy = Annotated[str, BeforeValidator(_keep)]
TimeZoneName = Annotated[Text, AfterValidator(_zone)]
Currency = Annotated[Text, AfterValidator(_currency)]
AuthoredValue = Annotated[RawValue, PlainValidator(_authored)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing when no known word is near."""
    near = _nearest(word[:80], tuple(known))
    return f"; did you mean '{near}'?" if near else ""


@lru_cache(maxsize=256)  # a mistake made in every rule is looked up once
def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), None)
