"""The routes of the ops API. Each request is authenticated and authorized, then answered here or in the CPU pool."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from service.context import Context
from service.cpu_pool import CpuRunner
from service.web.authentication import TokenAuth
from service.web.ops import access, activity, customers, rules, shops
from service.web.ops.contract import (
    Endpoint,
    RawRequest,
    RawResponse,
    answer_once,
    digest_etag,
    document,
    is_unchanged,
    parse,
    problem_response,
)
from service.web.ops.intake import take_in
from service.web.problems import PROBLEMS_PATH, Problem, show_problems, to_problem

ENDPOINTS: Final = (
    *shops.ENDPOINTS,
    *activity.ENDPOINTS,
    *rules.ENDPOINTS,
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


def routes(context: Context, cpu: CpuRunner, auth: TokenAuth) -> list[Route]:
    """The routes of all endpoints and of the OpenAPI document."""
    register_url_convertor("customer_id", CustomerIdConvertor())
    openapi = _encoded_document()
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint

    def respond_with(by_method: Mapping[str, Endpoint]) -> Any:
        async def respond(http: HttpRequest) -> Response:
            endpoint = by_method["GET" if http.method == "HEAD" else http.method]
            taken = await take_in(endpoint, http, auth)

            async def execute() -> RawResponse:
                if endpoint.cpu_bound:
                    return await _in_pool(cpu, endpoint, taken.raw)
                return await answer(context, taken.raw)

            reply = await answer_once(context, taken.raw, taken.key, execute)
            headers = reply.headers | (endpoint.deprecation.headers if endpoint.deprecation else {})
            if reply.status == 200 and is_unchanged(reply.headers.get("ETag", ""), taken.if_none_match):
                return Response(status_code=304, headers=headers)
            return Response(reply.body, reply.status, headers, reply.media_type)

        return respond

    async def show_document(http: HttpRequest) -> Response:
        await auth.authenticate(http)
        return Response(openapi, media_type="application/json")

    return [
        Route("/ops/openapi.json", show_document),
        Route(PROBLEMS_PATH, show_problems),
        *(
            Route(
                path.replace("{customer}", "{customer:customer_id}"),
                respond_with(by_method),
                methods=list(by_method),
            )
            for path, by_method in by_path.items()
        ),
    ]


async def answer(context: Context, raw: RawRequest) -> RawResponse:
    """Parse a request and call its handler; errors become responses. Also called in the processes of the CPU pool."""
    endpoint = BY_NAME[raw.endpoint]
    try:
        model = await endpoint.handler(context, parse(endpoint, raw))
        body = _ENCODER.encode(model)
    except Exception as exc:  # noqa: BLE001  # the outermost frame of an endpoint; to_problem logs it
        return problem_response(to_problem(exc))
    if endpoint.etag is not None:
        return RawResponse(body, headers={"ETag": endpoint.etag(model)})
    return RawResponse(body, headers={"ETag": digest_etag(body)} if endpoint.method == "GET" else {})


@cache
def _encoded_document() -> bytes:
    """The OpenAPI document. It takes longer to make than all else of an app."""
    return msgspec.json.encode(document(ENDPOINTS))


async def _in_pool(cpu: CpuRunner, endpoint: Endpoint, raw: RawRequest) -> RawResponse:
    """A request that changes data has no timeout: the pool would finish it after the client got an error."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S if endpoint.method == "GET" else None):
            return await cpu.run(answer, raw)
    except TimeoutError as exc:
        raise Problem("timeout", "it takes too long; nothing was changed: ask again") from exc


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")  # the amounts in rules keep all their digits
