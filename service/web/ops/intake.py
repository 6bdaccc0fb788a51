"""The way of a request into the ops API: who asks, may they, and what was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import structlog
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest

from service.domain.access import Actor
from service.domain.customers import OrgId, parse_customer_id
from service.domain.sync import MAX_BODY
from service.errors import Forbidden, MalformedData
from service.sentence import Sentence
from service.web.authentication import TokenAuth, bearer_of
from service.web.ops.contract import (
    PATH_SCHEMAS,
    Endpoint,
    IdempotencyKey,
    RawRequest,
    parse_key,
    parse_tags,
)
from service.web.problems import Problem


class Intake(NamedTuple):
    """A request with the headers that the routes carry out for every endpoint."""

    raw: RawRequest
    key: IdempotencyKey | None
    if_none_match: list[str]


async def take_in(endpoint: Endpoint, http: HttpRequest, auth: TokenAuth) -> Intake:
    """Authenticate and authorize the request, then read it. Raises Problem, Forbidden."""
    by = await auth.authenticate(http)
    structlog.contextvars.bind_contextvars(operation=endpoint.name)
    path = _path(http.path_params)
    authorize(endpoint, by, path)
    headers = http.headers
    key = parse_key(headers.get("idempotency-key"), bearer=bearer_of(http)) if endpoint.is_change else None
    if_match = parse_tags("If-Match", headers.get("if-match")) if endpoint.if_match != "no" else []
    if endpoint.if_match == "required" and not if_match:
        raise Problem(
            "precondition-required", "send `If-Match` with the ETag of the rules that you began from, or *"
        )
    if_none_match = (
        parse_tags("If-None-Match", headers.get("if-none-match")) if endpoint.method == "GET" else []
    )
    raw = RawRequest(
        endpoint=endpoint.name,
        by=by,
        path=path,
        query=http.query_params.multi_items(),
        body=await _body(endpoint, http) if endpoint.has_body else b"",
        if_match=if_match,
    )
    return Intake(raw, key, if_none_match)


def authorize(endpoint: Endpoint, by: Actor, path: Mapping[str, str | int]) -> None:
    """Check the shop and the role. Raises Problem 404 for a shop that the token is not for, Forbidden for the rest.

    For a token of some shops, all other shops do not exist: the answer is the same whether we know them or not.
    """
    if "org" in path and not by.may_reach(OrgId(str(path["org"]))):
        raise Problem("not-found", f"there is no shop {path['org']} for this token")
    by.require(endpoint.role, Sentence("call {endpoint}", endpoint=endpoint.name))
    if endpoint.every_shop and by.shops is not None:
        raise Forbidden(
            Sentence(
                "{name} needs a token for every shop, and this one is for {shops}",
                name=endpoint.name,
                shops=len(by.shops),
            )
        )


def _path(params: Mapping[str, str]) -> dict[str, str | int]:
    values: dict[str, str | int] = {}
    for name, value in params.items():
        pattern = PATH_SCHEMAS[name].get("pattern")
        if pattern is not None and not re.fullmatch(pattern, value):
            raise Problem("not-found", f"there is no such {name}")
        values[name] = _customer(value) if pattern is None else value
    return values


def _customer(digits: str) -> int:
    try:
        return parse_customer_id(digits)
    except MalformedData as exc:
        raise Problem("invalid-customer-id", "a customer's id is a positive 64-bit number") from exc


async def _body(endpoint: Endpoint, http: HttpRequest) -> bytes:
    body = bytearray()
    try:
        async for chunk in http.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise Problem("body-too-large", "the body is larger than 1 MiB")
    except ClientDisconnect as exc:
        raise Problem("incomplete-body", "the connection was closed before the body was complete") from exc
    if not body and not endpoint.is_body_required:
        return b""
    if http.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem("unsupported-media-type", "send `Content-Type: application/json`")
    return bytes(body)
