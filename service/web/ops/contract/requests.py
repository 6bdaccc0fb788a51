"""Requests of the ops API: read from HTTP, and parsed into the endpoint's type.

A RawRequest goes to the processes of the CPU pool unparsed, because parsing rules is CPU work.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from email.utils import format_datetime
from functools import cache
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Actor, Role
from service.domain.customers import MAX_ID, OrgId, exact_decimal
from service.web.problems import MEDIA_TYPE, Problem

CustomerNumber = Annotated[int, Meta(ge=1, le=MAX_ID)]
VersionNumber = Annotated[int, Meta(ge=1, le=MAX_ID)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset")]
Language = Annotated[Literal["vi", "en"], Meta(description="The language of sentences")]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Method = Literal["GET", "POST", "PUT", "DELETE"]
SHOP_PATH: Final = "/ops/v1/shops/{org}"
RULES_PATH: Final = SHOP_PATH + "/rules"
CUSTOMER_PATH: Final = SHOP_PATH + "/customers/{customer}"
MAX_DIGITS: Final = 30


class RequestModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body or query. Unknown fields are refused."""


class ResponseModel(msgspec.Struct, frozen=True):
    """A response's body."""


class RawRequest(msgspec.Struct, frozen=True):
    """One authenticated and authorized request, unparsed."""

    endpoint: str
    by: Actor
    path: dict[str, str | int] = {}  # msgspec copies an empty default
    query: list[tuple[str, str]] = []
    body: bytes = b""
    if_match: list[str] = []


class RawResponse(msgspec.Struct, frozen=True):
    """One encoded response."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = {}  # msgspec copies an empty default


class Request(NamedTuple):
    """One parsed request as a handler gets it."""

    by: Actor
    org: OrgId
    path: Mapping[str, Any]
    model: Any  # of the endpoint's own type
    if_match: Sequence[str] = ()  # the tags of `If-Match`


Handler = Callable[[Context, Request], Awaitable[ResponseModel]]
ResponseT = TypeVar("ResponseT", bound=ResponseModel)
RequestT = TypeVar("RequestT", bound=RequestModel)


@dataclass(frozen=True, slots=True)
class Deprecation:
    """An endpoint that will end: since when it is deprecated, when it ends, and what replaces it."""

    since: date
    sunset: date
    successor: str

    @property
    def headers(self) -> dict[str, str]:
        """`Deprecation` (RFC 9745), `Sunset` (RFC 8594), and a link to the successor."""
        since, sunset = (datetime.combine(day, time(), UTC) for day in (self.since, self.sunset))
        return {
            "Deprecation": f"@{int(since.timestamp())}",
            "Sunset": format_datetime(sunset, usegmt=True),
            "Link": f'<{self.successor}>; rel="successor-version"',
        }


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `request` is the type of the query of a GET or DELETE, or of the body of a POST or PUT; `response` that
    of the answer.

    `role` is the least role that may call it. An endpoint of `every_shop` shows or changes what belongs to no single shop,
    so a token for some shops may not call it. A `cpu_bound` handler parses rules or evaluates customers, so it runs in the
    CPU pool. `is_read_only`: it changes nothing although it is no GET. `etag` gives the ETag of an answer; that of another
    GET is a digest. `if_match` says whether the handler compares `If-Match` with the live version of the rules. The OpenAPI
    document shows the examples: of the answer, of requests by name, of problems by status.
    """

    method: Method
    path: str
    handler: Handler
    response: type[ResponseModel]
    example: Mapping[str, Any]
    request: type[RequestModel] | None = None
    request_examples: Mapping[str, Any] = field(default_factory=dict)
    problem_examples: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    cpu_bound: bool = False
    role: Role = field(kw_only=True)
    every_shop: bool = False
    is_read_only: bool = False
    etag: Callable[[Any], str] | None = None
    if_match: Literal["no", "optional", "required"] = "no"
    deprecation: Deprecation | None = None

    @property
    def name(self) -> str:
        """The endpoint's id in the document and in the log."""
        return self.handler.__name__

    @property
    def has_body(self) -> bool:
        """Whether `request` is the type of a body."""
        return self.request is not None and self.method in ("POST", "PUT")

    @property
    def is_body_required(self) -> bool:
        """Whether a body must be sent: an absent one counts as an empty object if nothing in it is required."""
        return self.has_body and any(field.required for field in _fields(self.request))

    @property
    def is_change(self) -> bool:
        """Whether a request may change something, so that it may be sent with an `Idempotency-Key`."""
        return self.method != "GET" and not self.is_read_only


def parse(endpoint: Endpoint, raw: RawRequest) -> Request:
    """The request as the endpoint's own type; raises Problem 400."""
    model: RequestModel | None = None
    if endpoint.request is not None:
        model = (
            read_body(raw.body, endpoint.request)
            if endpoint.has_body
            else read_query(raw.query, endpoint.request)
        )
    return Request(raw.by, OrgId(str(raw.path.get("org", ""))), raw.path, model, raw.if_match)


def read_query(parameters: Sequence[tuple[str, str]], kind: type[RequestT]) -> RequestT:
    """The parameters of a GET or DELETE. Raises Problem 400."""
    text_fields, flags = _fields_of(kind, msgspec.inspect.StrType), _fields_of(kind, msgspec.inspect.BoolType)
    values: dict[str, str | int | bool] = {}
    for name, text in parameters:
        if name in values:
            raise Problem("invalid-query", f"`{name}` is given twice")
        # only whole numbers are converted: msgspec's lax mode would read `since=0.5` as a moment
        values[name] = int(text) if name not in text_fields and _WHOLE.fullmatch(text) else text
        if name in flags and text in ("true", "false"):
            values[name] = text == "true"
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as exc:
        raise Problem(
            "invalid-query", f"the query is wrong: {exc} (write the + of an offset as %2B)"
        ) from exc


def read_body(body: bytes, kind: type[RequestT]) -> RequestT:
    """The JSON of a POST or PUT. Raises Problem 400."""
    try:
        return msgspec.convert(_DECODER.decode(body or b"{}"), kind)
    except (ValueError, RecursionError) as exc:  # msgspec's and Unicode's errors are ValueErrors
        raise Problem("invalid-body", f"the body is wrong: {exc}") from exc


def to_model(value: object, kind: type[ResponseT]) -> ResponseT:
    """A value of the store as a type of the API with the same field names."""
    return msgspec.convert(value, kind, from_attributes=True)


def to_ms(moment: datetime | UnsetType) -> int | None:
    """Milliseconds since 1970, never negative. None if no moment is given."""
    return None if moment is UNSET else max(0, int(moment.timestamp() * 1000))


def problem_response(problem: Problem) -> RawResponse:
    """A problem as a response."""
    return RawResponse(problem.body, problem.status, MEDIA_TYPE, dict(problem.headers or {}))


@cache
def _fields(kind: type[RequestModel]) -> tuple[msgspec.inspect.Field, ...]:
    shape = msgspec.inspect.type_info(kind)
    assert isinstance(shape, msgspec.inspect.StructType)  # noqa: S101  # every RequestModel is one
    return shape.fields


@cache
def _fields_of(kind: type[RequestModel], wanted: type[msgspec.inspect.Type]) -> frozenset[str]:
    """The parameters of this type: a text stays one even if it looks like a number, such as the tag 2026."""
    return frozenset(field.encode_name for field in _fields(kind) if _is(field.type, wanted))


def _is(found: msgspec.inspect.Type, wanted: type[msgspec.inspect.Type]) -> bool:
    if isinstance(found, msgspec.inspect.Metadata):
        return _is(found.type, wanted)
    if isinstance(found, msgspec.inspect.UnionType):
        return any(_is(each, wanted) for each in found.types)
    return isinstance(found, wanted)


def _number(text: str) -> int | Decimal:
    """7.0 is an integer in JSON Schema. Other numbers stay exact decimals, because they may be amounts of money."""
    number = exact_decimal(text)
    small = number.is_finite() and number.adjusted() < MAX_DIGITS
    return int(number) if small and number == number.to_integral_value() else number


_WHOLE: Final = re.compile("-?[0-9]{1,20}")
_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
