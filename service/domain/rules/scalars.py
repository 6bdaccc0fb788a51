"""The scalar types of rule documents, as pydantic types whose errors say what to write instead."""

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
from service.domain.rules.calendar import calendar_for
from service.domain.rules.operands import AuthoredValue, Scalar, format_authored, parse_duration_days

MAX_TEXT: Final = 200
MAX_LIST: Final = 200
_SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_MAX_DIGITS: Final = 30
_KEEP_WORDS: Final = ("while_matching", "forever")
_CONTROL_CATEGORIES: Final = frozenset({"Cc", "Zl", "Zp"})  # Unicode: control characters and line breaks


def validation_error(kind: str, message: str, *, at: str = "") -> PydanticCustomError:
    """Create an error of our own kind. `at` names the key below the validated value that is wrong."""
    return PydanticCustomError(kind, "{message}", {"message": message, "at": at})


def _text(value: object) -> str:
    if not isinstance(value, str):
        is_scalar = isinstance(value, bool | int | Decimal | float)
        hint = f"; put it in quotes: '{format_authored(value)}'" if is_scalar else ""
        raise validation_error("not_text", f"expected a text{hint}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise validation_error(
            "bad_text", "the text contains an invalid character (a lone surrogate)"
        ) from None
    if len(value) > MAX_TEXT:
        raise validation_error("too_long", f"the text is longer than {MAX_TEXT} characters")
    return value


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        expected = "expected an id of lowercase letters, digits and dashes, such as 'khach-vip'"
        raise validation_error("bad_id", f"{expected}, got {value!r}")
    return value


def _tag(value: str) -> str:
    if "," in value:
        raise validation_error("bad_tag", "a tag cannot contain a comma")
    if any(unicodedata.category(character) in _CONTROL_CATEGORIES for character in value):
        raise validation_error("bad_tag", "a tag cannot contain a line break or another control character")
    if not value.strip():
        raise validation_error("bad_tag", "a tag cannot be empty")
    return value


def _duration(value: object) -> str:
    if isinstance(value, str) and parse_duration_days(value):
        return value
    expected = "expected a duration such as '90 days' or '90 ngày'"
    raise validation_error("bad_span", f"{expected}, got {format_authored(value)}")


def _keep(value: object) -> str:
    if isinstance(value, str) and (value in _KEEP_WORDS or parse_duration_days(value)):
        return value
    suggestion = did_you_mean(value, _KEEP_WORDS) if isinstance(value, str) else ""
    expected = "expected while_matching, forever or a duration such as '30 days'"
    raise validation_error("bad_keep", f"{expected}, got {format_authored(value)}{suggestion}")


def _time_zone(value: str) -> str:
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


def _condition_value(value: object) -> AuthoredValue:
    """Accept a scalar or a list of scalars; the operator decides whether it can use it."""
    if isinstance(value, list | tuple):
        if len(value) > MAX_LIST:
            raise validation_error(
                "too_many", f"a list can have at most {MAX_LIST} values, this one has {len(value)}"
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
    """Refuse a decimal that is not finite, or too long to be written without an exponent."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), len(number.as_tuple().digits)) > _MAX_DIGITS:
        raise validation_error("bad_value", "the number is too large")
    return number


Text = Annotated[str, BeforeValidator(_text)]
Slug = Annotated[Text, AfterValidator(_slug)]
TagText = Annotated[Text, AfterValidator(_tag)]
Duration = Annotated[str, BeforeValidator(_duration)]
KeepPolicy = Annotated[str, BeforeValidator(_keep)]
TimeZoneName = Annotated[Text, AfterValidator(_time_zone)]
Currency = Annotated[Text, AfterValidator(_currency)]
ConditionValue = Annotated[AuthoredValue, PlainValidator(_condition_value)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or an empty text if no known word is similar."""
    suggestion = _closest_match(word[:80], tuple(known))
    return f"; did you mean '{suggestion}'?" if suggestion else ""


@lru_cache(maxsize=256)  # the same mistake is often repeated in every rule
def _closest_match(word: str, known: tuple[str, ...]) -> str | None:
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), None)
