"""API requests as the endpoints receive them, and responses as they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from deploy.sandbox.errors import ValidationError
from deploy.sandbox.records import Customer, Dialect, admin, omni
from deploy.sandbox.shop import Shop

DROP = "sandbox.drop"
"""The ASGI extension with which the server lets the sandbox close a connection without a response."""

_WITHOUT_BODY = frozenset({204, 304})  # HTTP allows them none
_encode = msgspec.json.Encoder().encode


class NoSuchRecord(Exception):
    """The shop has no record with this id."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One authorized request. `nested_id`: of the address or metafield in the path. `cookies`: whether there are any."""

    shop: Shop
    dialect: Dialect
    params: Mapping[str, str]
    customer_id: int | None
    nested_id: int | None
    body: bytes
    cookies: bool


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A status, the bytes of a body, and additional headers."""

    status: int
    body: bytes
    media_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(content: Any, status: int = 200) -> ApiResponse:
    return ApiResponse(status, _encode(content))


def error(errors: Any, status: int, **headers: str) -> ApiResponse:
    """`{"errors": …}`. Underscores in the names of `headers` become hyphens."""
    return ApiResponse(
        status,
        _encode({"errors": errors}),
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


def html_error(status: int, reason: str) -> ApiResponse:
    """The error page of a proxy in front of the API."""
    title = f"{status} {reason}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    return ApiResponse(status, page.encode(), media_type="text/html")


def parse_body(request: ApiRequest, key: str) -> Any:
    """The value of `key` in the JSON body. Raises ValidationError (400) if there is none."""
    try:
        content = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ValidationError("The body is not JSON", status=400) from exc
    if not isinstance(content, dict) or key not in content:
        raise ValidationError({key: ["Required parameter missing or invalid"]}, status=400)
    return content[key]


def format_customer(request: ApiRequest, customer: Customer, *, fresh: bool = False) -> dict[str, Any]:
    """The customer in the request's dialect, reduced to the requested `fields`, with the shop's faults applied.

    `fresh`: this is the response of the request that created the customer.
    """
    faults = request.shop.faults
    if request.dialect == "omni":
        shape = omni.customer(customer, fresh=fresh, coarse=faults.coarse_updated_at and not fresh)
    else:
        shape = admin.customer(customer, request.shop.zone)
    if faults.null_fields or faults.missing_fields:
        shape = {
            key: None if key in faults.null_fields else value
            for key, value in shape.items()
            if key not in faults.missing_fields
        }
    chosen = {name.strip() for name in request.params.get("fields", "").split(",")} - {""}
    return {key: value for key, value in shape.items() if key in chosen} if chosen else shape


async def send_response(response: ApiResponse, send: Send, extra: dict[str, str] | None = None) -> None:
    """Send the response as two ASGI messages. A list of 50 customers is encoded only once."""
    body = b"" if response.status in _WITHOUT_BODY else response.body
    described = {"content-type": response.media_type, "content-length": str(len(body))}
    headers = {
        **({} if response.status in _WITHOUT_BODY else described),
        **response.headers,
        **(extra or {}),
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Close the connection without a response. A server without the extension answers 500 instead."""
    cut: Callable[[], None] | None = scope.get("extensions", {}).get(DROP, {}).get("cut")
    if cut is None:
        return
    cut()
    while (await receive())["type"] != "http.disconnect":
        pass  # if we returned earlier, the server would try to send a 500 on the closed connection


async def hang(request: Request, seconds: float) -> None:
    """Send nothing for this many seconds, or until the caller disconnects."""
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
