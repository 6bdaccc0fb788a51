"""Requests as the endpoints see them, and answers as the wire carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from . import admin, omni
from .intake import Dialect, Invalid
from .records import Customer
from .shop import Shop

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that passed the gate."""

    shop: Shop
    dialect: Dialect
    params: Mapping[str, str]
    customer_id: int | None
    body: bytes
    cookies: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body's bytes and what else the headers say."""

    status: int
    body: bytes
    media_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(content: Any, status: int = 200) -> Answer:
    return Answer(status, _encode(content))


def refusal(errors: Any, status: int, **headers: str) -> Answer:
    return Answer(
        status,
        _encode({"errors": errors}),
        headers={key.replace("_", "-"): value for key, value in headers.items()},
    )


def html(status: int, reason: str) -> Answer:
    """What a proxy in front of the API says when the API does not."""
    title = f"{status} {reason}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    return Answer(status, page.encode(), media_type="text/html")


def payload(ask: Ask, key: str) -> Any:
    """The value under `key` of the JSON body. Raises Invalid (400) when there is none."""
    try:
        content = msgspec.json.decode(ask.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Invalid("The body is not JSON", status=400) from exc
    if not isinstance(content, dict) or key not in content:
        raise Invalid({key: ["Required parameter missing or invalid"]}, status=400)
    return content[key]


def shown(ask: Ask, customer: Customer, *, fresh: bool = False) -> dict[str, Any]:
    """The customer in the dialect of the request, with the `fields` asked for and the shop's switches applied."""
    faults = ask.shop.faults
    if ask.dialect == "omni":
        shape = omni.customer(customer, fresh=fresh, coarse=faults.coarse_updated_at and not fresh)
    else:
        shape = admin.customer(customer, ask.shop.zone)
    if faults.null_fields or faults.missing_fields:
        shape = {
            key: None if key in faults.null_fields else value
            for key, value in shape.items()
            if key not in faults.missing_fields
        }
    chosen = {name.strip() for name in ask.params.get("fields", "").split(",")} - {""}
    return {key: value for key, value in shape.items() if key in chosen} if chosen else shape
