"""What is asked of the ops API as it came, and as an operation understands it. Either process may do the reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from service.domain.customers import OrgId
from service.domain.money import exact_decimal
from service.web.ops.models import Asked
from service.web.problems import MEDIA_TYPE, Problem

A = TypeVar("A", bound=Asked)


class Question(msgspec.Struct, frozen=True):
    """One authorised request, unread. `request` is its id, for the log."""

    operation: str
    by: str
    path: dict[str, str | int] = {}  # msgspec copies an empty default
    query: list[tuple[str, str]] = []
    body: bytes = b""
    request: str = ""


class Reply(msgspec.Struct, frozen=True):
    """What goes back."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = {}  # msgspec copies an empty default


class Call(NamedTuple):
    """One request as an operation gets it: who asks, for which shop, and what."""

    by: str
    org: OrgId
    path: dict[str, Any]
    asked: Asked | None


def read_query(given: Sequence[tuple[str, str]], kind: type[A]) -> A:
    """A GET's parameters; raises Problem 400."""
    values: dict[str, str | int] = {}
    for name, text in given:
        if name in values:
            raise Problem(400, f"`{name}` is given twice")
        # strings that are numbers, and nothing looser: msgspec's lax mode reads `since=0.5` as a moment
        values[name] = int(text) if name not in _texts(kind) and _WHOLE.fullmatch(text) else text
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as exc:
        raise Problem(400, f"the query is wrong: {exc} (write the + of an offset as %2B)") from exc


def read_body(body: bytes, kind: type[A]) -> A:
    """A POST's JSON; raises Problem 400."""
    try:
        return msgspec.convert(_DECODER.decode(body), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Problem(400, f"the body is wrong: {exc}") from exc


def refusal(problem: Problem) -> Reply:
    """A problem as a reply."""
    return Reply(problem.body, problem.status, MEDIA_TYPE, dict(problem.headers or {}))


@cache
def _texts(kind: type[Asked]) -> frozenset[str]:
    """Parameters that stay texts also where they look like numbers: the tag 2026."""
    shape = msgspec.inspect.type_info(kind)
    assert isinstance(shape, msgspec.inspect.StructType)  # noqa: S101  # every Asked is one
    return frozenset(
        each.encode_name for each in shape.fields if isinstance(each.type, msgspec.inspect.StrType)
    )


def _number(text: str) -> int | Decimal:
    """JSON Schema calls 7.0 an integer; what is none stays exact, being perhaps money."""
    number = exact_decimal(text)
    small = number.is_finite() and number.adjusted() < MOST_DIGITS
    return int(number) if small and number == number.to_integral_value() else number


MOST_DIGITS: Final = 30
_WHOLE: Final = re.compile("-?[0-9]{1,20}")
_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
