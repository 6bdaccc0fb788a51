"""Requests of the ops API: read from HTTP, and parsed into the endpoint's type.

A RawRequest goes to the processes of the CPU pool unparsed, because parsing rules is CPU work.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
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
Method = Literal["GET", "POST", "DELETE"]
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


Handler = Callable[[Context, Request], Awaitable[ResponseModel]]
ResponseT = TypeVar("ResponseT", bound=ResponseModel)
RequestT = TypeVar("RequestT", bound=RequestModel)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `request` is the type of a GET's query or a POST's body, `response` that of the answer.

    `role` is the least role that may call it. An endpoint of `every_shop` shows or changes what belongs to no single shop,
    so a token for some shops may not call it. A `cpu_bound` handler parses rules or evaluates customers, so it runs in the CPU pool. The OpenAPI document shows the
    examples: of the answer, of requests by name, of problems by status.
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

    @property
    def name(self) -> str:
        """The endpoint's id in the document and in the log."""
        return self.handler.__name__


def parse(endpoint: Endpoint, raw: RawRequest) -> Request:
    """The request as the endpoint's own type; raises Problem 400."""
    model: RequestModel | None = None
    if endpoint.request is not None:
        model = (
            read_query(raw.query, endpoint.request)
            if endpoint.method == "GET"
            else read_body(raw.body, endpoint.request)
        )
    return Request(raw.by, OrgId(str(raw.path.get("org", ""))), raw.path, model)


def read_query(parameters: Sequence[tuple[str, str]], kind: type[RequestT]) -> RequestT:
    """A GET's parameters; raises Problem 400."""
    values: dict[str, str | int] = {}
    for name, text in parameters:
        if name in values:
            raise Problem(400, f"`{name}` is given twice")
        # only whole numbers are converted: msgspec's lax mode would read `since=0.5` as a moment
        values[name] = int(text) if name not in _text_fields(kind) and _WHOLE.fullmatch(text) else text
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as exc:
        raise Problem(400, f"the query is wrong: {exc} (write the + of an offset as %2B)") from exc


def read_body(body: bytes, kind: type[RequestT]) -> RequestT:
    """A POST's JSON; raises Problem 400."""
    try:
        return msgspec.convert(_DECODER.decode(body), kind)
    except (ValueError, RecursionError) as exc:  # msgspec's and Unicode's errors are ValueErrors
        raise Problem(400, f"the body is wrong: {exc}") from exc


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
def _text_fields(kind: type[RequestModel]) -> frozenset[str]:
    """The parameters that stay text even if they look like numbers, such as the tag 2026."""
    shape = msgspec.inspect.type_info(kind)
    assert isinstance(shape, msgspec.inspect.StructType)  # noqa: S101  # every RequestModel is one
    return frozenset(
        field.encode_name for field in shape.fields if isinstance(field.type, msgspec.inspect.StrType)
    )


def _number(text: str) -> int | Decimal:
    """7.0 is an integer in JSON Schema. Other numbers stay exact decimals, because they may be amounts of money."""
    number = exact_decimal(text)
    small = number.is_finite() and number.adjusted() < MAX_DIGITS
    return int(number) if small and number == number.to_integral_value() else number


_WHOLE: Final = re.compile("-?[0-9]{1,20}")
_DECODER: Final = msgspec.json.Decoder(float_hook=_number)
