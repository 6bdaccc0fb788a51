"""The ops API over HTTP: authorise, take what is asked, have it answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.domain.customers import read_id
from service.domain.deliveries import MAX_BODY
from service.errors import Unreadable
from service.web.ops.access import Access
from service.web.ops.answers import Answering
from service.web.ops.document import PATH_SCHEMAS, document
from service.web.ops.followed import Followed
from service.web.ops.late import UNDER_WAY
from service.web.ops.questions import Question
from service.web.ops.table import TABLE, Operation
from service.web.problems import Problem


def routes(here: Answering, beside: Followed, access: Access) -> list[Route]:
    """Every route, the document's included; `beside` answers what would keep webhooks waiting."""
    described = document(TABLE)
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in TABLE:
        by_path.setdefault(operation.path, {})[operation.method] = operation

    def endpoint(rows: Mapping[str, Operation]) -> Any:
        async def respond(request: Request) -> Response:
            operation = rows["GET" if request.method == "HEAD" else request.method]
            question = await _question(operation, request, access=access)
            reply = await (beside if operation.beside else here).answer(question)
            if operation.followed and reply.status != UNDER_WAY and not await request.is_disconnected():
                await beside.heard(question)
            return Response(reply.body, reply.status, reply.headers, reply.media_type)

        return respond

    async def show_document(_: Request) -> Response:
        return JSONResponse(described)

    return [
        Route("/ops/openapi.json", show_document),
        *(
            # only digits are a customer: `…/dead-letters/retry` is another path, with other methods
            Route(path.replace("{customer}", "{customer:int}"), endpoint(rows), methods=list(rows))
            for path, rows in by_path.items()
        ),
    ]


async def _question(operation: Operation, request: Request, *, access: Access) -> Question:
    """What the request asks; raises Problem."""
    by = access.who(request)
    structlog.contextvars.bind_contextvars(operation=operation.name)
    return Question(
        operation=operation.name,
        by=by,
        path=_path(request.path_params),
        query=request.query_params.multi_items(),
        body=await _body(request) if operation.method == "POST" and operation.asked else b"",
        request=str(structlog.contextvars.get_contextvars().get("request", "")),
    )


def _path(given: Mapping[str, Any]) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for name, value in given.items():
        pattern = PATH_SCHEMAS[name].get("pattern")
        if pattern is not None and not re.fullmatch(pattern, value):
            raise Problem(404, f"there is no such {name}")
        found[name] = _customer(value) if pattern is None else value
    return found


def _customer(given: int) -> int:
    try:
        return read_id(given)
    except Unreadable as exc:
        raise Problem(400, "a customer's id is a positive 64-bit number") from exc


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(400, "send `Content-Type: application/json`")
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                raise Problem(413, "the body is larger than 1 MiB", headers={"Connection": "close"})
    except ClientDisconnect as exc:
        raise Problem(400, "the body is not complete") from exc
    return bytes(body)
