"""The routes of the ops API. Each request is authenticated and authorized, then answered here or in the CPU pool."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.access import Actor
from service.domain.customers import OrgId, parse_customer_id
from service.domain.sync import MAX_BODY
from service.errors import Forbidden, MalformedData
from service.sentence import Sentence
from service.web.authentication import TokenAuth
from service.web.ops import access, claims, customers, deliveries, rules, runs, scheduled, shops, versions
from service.web.ops.openapi import PATH_SCHEMAS, document
from service.web.ops.requests import (
    Endpoint,
    RawRequest,
    RawResponse,
    parse,
    problem_response,
)
from service.web.problems import Problem, to_problem

ENDPOINTS: Final = (
    *shops.ENDPOINTS,
    *deliveries.ENDPOINTS,
    *runs.ENDPOINTS,
    *versions.ENDPOINTS,
    *rules.ENDPOINTS,
    *scheduled.ENDPOINTS,
    *claims.ENDPOINTS,
    *customers.ENDPOINTS,
    *access.ENDPOINTS,
)
BY_NAME: Final = {endpoint.name: endpoint for endpoint in ENDPOINTS}
READ_TIMEOUT_S: Final = 25.0  # many clients give up after 30 s, proxies after 60


class CustomerIdConvertor(Convertor[str]):
    """Digits, so that `…/dead-letters/retry` is another path. Starlette's own `int` fails on more than 4,300 digits."""

    regex = "[0-9]{1,64}"

    def convert(self, value: str) -> str:
        """The digits as they are."""
        return value

    def to_string(self, value: str) -> str:
        """The digits as they are."""
        return value


def routes(
    context: Context, cpu: CpuRunner, auth: TokenAuth, *, trusted_proxies: Sequence[str]
) -> list[Route]:
    """The routes of all endpoints and of the OpenAPI document.

    `trusted_proxies` are the addresses and networks whose `X-Forwarded-For` names the client.
    """
    register_url_convertor("customer_id", CustomerIdConvertor())
    openapi = msgspec.json.encode(document(ENDPOINTS))
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint

    def respond_with(by_method: Mapping[str, Endpoint]) -> Any:
        async def respond(http: HttpRequest) -> Response:
            endpoint = by_method["GET" if http.method == "HEAD" else http.method]
            raw = await _raw_request(endpoint, http, auth)
            reply = await (_in_pool(cpu, endpoint, raw) if endpoint.cpu_bound else answer(context, raw))
            return Response(reply.body, reply.status, reply.headers, reply.media_type)

        return respond

    async def show_document(http: HttpRequest) -> Response:
        await auth.authenticate(http)
        return Response(openapi, media_type="application/json")

    proxies: Any = [Middleware(ProxyHeadersMiddleware, trusted_hosts=[*trusted_proxies])]
    return [
        Route("/ops/openapi.json", show_document, middleware=proxies),
        *(
            Route(
                path.replace("{customer}", "{customer:customer_id}"),
                respond_with(by_method),
                methods=list(by_method),
                middleware=proxies,
            )
            for path, by_method in by_path.items()
        ),
    ]


async def answer(context: Context, raw: RawRequest) -> RawResponse:
    """Parse a request and call its handler; errors become responses. Also called in the processes of the CPU pool."""
    endpoint = BY_NAME[raw.endpoint]
    try:
        model = await endpoint.handler(context, parse(endpoint, raw))
        return RawResponse(_ENCODER.encode(model))
    except Exception as exc:  # noqa: BLE001  # the outermost frame of an endpoint; to_problem logs it
        return problem_response(to_problem(exc))


async def _in_pool(cpu: CpuRunner, endpoint: Endpoint, raw: RawRequest) -> RawResponse:
    """A request that changes data has no timeout: the pool would finish it after the client got an error."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S if endpoint.method == "GET" else None):
            return await cpu.run(answer, raw)
    except TimeoutError as exc:
        raise Problem(504, "it takes too long; nothing was changed: ask again") from exc


async def _raw_request(endpoint: Endpoint, http: HttpRequest, auth: TokenAuth) -> RawRequest:
    """Authenticate and authorize the request, then read it. Raises Problem, Forbidden."""
    by = await auth.authenticate(http)
    structlog.contextvars.bind_contextvars(operation=endpoint.name)
    path = _path(http.path_params)
    authorize(endpoint, by, path)
    return RawRequest(
        endpoint=endpoint.name,
        by=by,
        path=path,
        query=http.query_params.multi_items(),
        body=await _body(http) if endpoint.method == "POST" and endpoint.request is not None else b"",
    )


def authorize(endpoint: Endpoint, by: Actor, path: Mapping[str, str | int]) -> None:
    """Check the shop and the role. Raises Problem 404 for a shop that the token is not for, Forbidden for the rest.

    For a token of some shops, all other shops do not exist: the answer is the same whether we know them or not.
    """
    if "org" in path and not by.may_reach(OrgId(str(path["org"]))):
        raise Problem(404, f"there is no shop {path['org']} for this token")
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
            raise Problem(404, f"there is no such {name}")
        values[name] = _customer(value) if pattern is None else value
    return values


def _customer(digits: str) -> int:
    try:
        return parse_customer_id(digits)
    except MalformedData as exc:
        raise Problem(400, "a customer's id is a positive 64-bit number") from exc


async def _body(http: HttpRequest) -> bytes:
    if http.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(400, "send `Content-Type: application/json`")
    body = bytearray()
    try:
        async for chunk in http.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise Problem(413, "the body is larger than 1 MiB")
    except ClientDisconnect as exc:
        raise Problem(503, "the connection was closed before the body was complete") from exc
    return bytes(body)


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")  # the amounts in rules keep all their digits
