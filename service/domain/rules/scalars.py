"""The scalar types of rule documents, as pydantic types whose errors say what to write instead."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final
from zoneinfo import ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.domain.customers import MAX_ID
from service.domain.rules.calendar import calendar_for
from service.domain.rules.messages import Message, message
from service.domain.rules.operands import AuthoredValue, Scalar, format_authored, parse_duration_days

MAX_TEXT: Final = 200
MAX_LIST: Final = 200
_SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_MAX_DIGITS: Final = 30
_KEEP_WORDS: Final = ("while_matching", "forever")
_CONTROL_CATEGORIES: Final = frozenset({"Cc", "Zl", "Zp"})  # Unicode: control characters and line breaks
# Unicode: control and format characters (zero-width, right-to-left marks), line separators
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
# Letters and marks without a shape: grapheme joiner, Hangul and Khmer fillers, blank Braille, variation selectors
_INVISIBLE: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
_NO_SYNONYMS: Final[Mapping[str, Sequence[str]]] = {}


def validation_error(kind: str, text: Message, *, at: str = "") -> PydanticCustomError:
    """Create an error of our own kind. `at` names the key below the validated value that is wrong."""
    return PydanticCustomError(kind, "{message}", {"message": text, "at": at})


def check_text(value: object) -> str:
    """Refuse what is no text, is too long, or has characters that nobody sees."""
    if not isinstance(value, str):
        is_scalar = isinstance(value, bool | int | Decimal | float)
        quoted = message("text.quote", value=format_authored(value))
        raise validation_error("not_text", quoted if is_scalar else message("text"))
    try:
        value.encode()
    except UnicodeEncodeError:
        raise validation_error("bad_text", message("surrogate")) from None
    if len(value) > MAX_TEXT:
        raise validation_error("too_long", message("text.too_long", limit=MAX_TEXT))
    if (index := find_invisible(value)) is not None:
        raise validation_error("invisible", _describe_invisible(value, index))
    return value


def find_invisible(text: str) -> int | None:
    """Return the index of the first character that people cannot see; line breaks and tabs are no such characters.

    The two that join and colour emoji (U+200D, U+FE0F) are allowed beside a symbol.
    """
    for index, character in enumerate(text):
        if character.isascii():
            if character.isprintable() or character in "\n\r\t":
                continue
            return index
        hidden = unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _INVISIBLE
        if hidden and not _is_part_of_emoji(text, index):
            return index
    return None


def _is_part_of_emoji(text: str, index: int) -> bool:
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if text[index] == "\ufe0f":
        return _is_symbol(before) or (before in "0123456789#*" and after == "\u20e3")
    return text[index] == "\u200d" and (before == "\ufe0f" or _is_symbol(before)) and _is_symbol(after)


def _is_symbol(character: str) -> bool:
    return (
        bool(character)
        and unicodedata.category(character) in {"So", "Sk", "Sm", "Po"}
        and ord(character) > 127
    )


def _describe_invisible(text: str, index: int) -> Message:
    character = text[index]
    name = unicodedata.name(character, "")
    return message(
        "invisible",
        code=f"U+{ord(character):04X}",
        name=f" ({name})" if name else "",
        before=text[max(0, index - 20) : index],
    )


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise validation_error("bad_id", message("id", got=format_authored(value)))
    return value


def _tag(value: str) -> str:
    if "," in value:
        raise validation_error("bad_tag", message("tag.comma"))
    if any(unicodedata.category(character) in _CONTROL_CATEGORIES for character in value):
        raise validation_error("bad_tag", message("tag.line_break"))
    if not value.strip():
        raise validation_error("bad_tag", message("tag.empty"))
    return value


def _duration(value: object) -> str:
    if isinstance(value, str) and parse_duration_days(value):
        return value
    raise validation_error("bad_span", message("duration", got=format_authored(value)))


def _keep(value: object) -> str:
    if isinstance(value, str) and (value in _KEEP_WORDS or parse_duration_days(value)):
        return value
    hint = did_you_mean(value, _KEEP_WORDS) if isinstance(value, str) else ""
    raise validation_error("bad_keep", message("keep", got=format_authored(value), hint=hint))


def _time_zone(value: str) -> str:
    try:
        calendar_for(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise validation_error("bad_zone", message("time_zone", got=format_authored(value))) from None
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise validation_error("bad_currency", message("currency", got=format_authored(value)))
    return value


def _condition_value(value: object) -> AuthoredValue:
    """Accept a scalar or a list of scalars; the operator decides whether it can use it."""
    if isinstance(value, list | tuple):
        if len(value) > MAX_LIST:
            raise validation_error("too_many", message("list.too_long", limit=MAX_LIST, count=len(value)))
        return tuple(map(_scalar, value))
    return None if value is None else _scalar(value)


def _scalar(value: object) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text(value)
    if isinstance(value, int):
        if abs(value) > MAX_ID:
            raise validation_error("bad_value", message("number_too_large"))
        return value
    if isinstance(value, float | Decimal):
        return _fraction(Decimal(repr(value)) if isinstance(value, float) else value)
    raise validation_error("bad_value", message("scalar"))


def _fraction(number: Decimal) -> Decimal:
    """Refuse a decimal that is not finite, or too long to be written without an exponent."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), len(number.as_tuple().digits)) > _MAX_DIGITS:
        raise validation_error("bad_value", message("number_too_large"))
    return number


_TEXT_SCHEMA: Final = {"type": "string", "maxLength": MAX_TEXT}
_DURATION_SCHEMA: Final = {"type": "string", "pattern": r"^\s*[0-9][0-9_]*\s*\D+$"}
Text = Annotated[str, BeforeValidator(check_text), WithJsonSchema(_TEXT_SCHEMA)]
Slug = Annotated[
    Text,
    AfterValidator(_slug),
    WithJsonSchema({**_TEXT_SCHEMA, "pattern": f"^{_SLUG.pattern}$"}),
]
TagText = Annotated[
    Text, AfterValidator(_tag), WithJsonSchema({**_TEXT_SCHEMA, "pattern": r"^[^,\r\n]*[^,\s][^,\r\n]*$"})
]
Duration = Annotated[str, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
KeepPolicy = Annotated[
    str, BeforeValidator(_keep), WithJsonSchema({"anyOf": [{"enum": [*_KEEP_WORDS]}, _DURATION_SCHEMA]})
]
TimeZoneName = Annotated[
    Text, AfterValidator(_time_zone), WithJsonSchema({**_TEXT_SCHEMA, "examples": ["Asia/Ho_Chi_Minh"]})
]
Currency = Annotated[
    Text, AfterValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})
]
ConditionValue = Annotated[AuthoredValue, PlainValidator(_condition_value), WithJsonSchema({})]


def did_you_mean(word: str, known: Iterable[str]) -> Message | str:
    """Return "did you mean …" with the most similar known word; an empty text if none is similar."""
    return suggest(closest_match(word, known))


def suggest(meant: str) -> Message | str:
    """Return "did you mean …"; an empty text for an empty word."""
    return message("did_you_mean", word=meant) if meant else ""


def closest_match(
    word: str, known: Iterable[str], synonyms: Mapping[str, Sequence[str]] = _NO_SYNONYMS
) -> str:
    """Return the known word that the author probably meant, or ''. Synonyms come before similar spellings."""
    known = tuple(known)
    key = word[:80].strip().lower().replace("-", "_").replace(" ", "_")
    if key in known:
        return key
    meant = next((synonym for synonym in synonyms.get(key, ()) if synonym in known), "")
    return meant or _similar_word(key, known)


@lru_cache(maxsize=256)  # the same mistake is often repeated in every rule
def _similar_word(word: str, known: tuple[str, ...]) -> str:
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), "")
