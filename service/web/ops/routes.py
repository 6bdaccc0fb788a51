"""The ops API over HTTP: authorise, read what is asked, call the operation, write what it answers."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.domain.customers import OrgId, read_id
from service.errors import Unreadable
from service.web.bodies import Bodies, Left, TooLarge, TooMany
from service.web.ops.access import Access
from service.web.ops.document import PATH_SCHEMAS, document
from service.web.ops.models import Asked
from service.web.ops.operations import Call, Operations
from service.web.ops.table import TABLE, Operation
from service.web.problems import Problem

A = TypeVar("A", bound=Asked)


def _whole(text: str) -> int | float:
    """JSON Schema calls 7.0 an integer."""
    number = float(text)
    return int(number) if number.is_integer() else number


_DECODER = msgspec.json.Decoder(float_hook=_whole)


def routes(operations: Operations, access: Access) -> list[Route]:
    """Every route, the document's included."""
    bodies = Bodies()
    described = document(TABLE)
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in TABLE:
        by_path.setdefault(operation.path, {})[operation.method] = operation

    def endpoint(rows: dict[str, Operation]) -> Any:
        async def respond(request: Request) -> Response:
            operation = rows["GET" if request.method == "HEAD" else request.method]
            return await _respond(operation, request, operations=operations, access=access, bodies=bodies)

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


async def _respond(
    operation: Operation, request: Request, *, operations: Operations, access: Access, bodies: Bodies
) -> Response:
    by = access.who(request)
    path = _path(request.path_params)
    asked = None
    if operation.asked is not None:
        asked = (
            _query(request, operation.asked)
            if operation.method == "GET"
            else await _body(request, operation.asked, bodies)
        )
    structlog.contextvars.bind_contextvars(operation=operation.handler.__name__)
    answer = await operation.handler(operations, Call(by, OrgId(path.get("org", "")), path, asked))
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _path(given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
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


def _query(request: Request, kind: type[A]) -> A:
    given: dict[str, str | int] = {}
    for name, text in request.query_params.multi_items():
        if name in given:
            raise Problem(400, f"`{name}` is given twice")
        # strings that are numbers, and nothing looser: msgspec's lax mode reads `since=0.5` as a moment
        given[name] = int(text) if re.fullmatch("-?[0-9]{1,20}", text) else text
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as exc:
        raise Problem(400, f"the query is wrong: {exc} (write the + of an offset as %2B)") from exc


async def _body(request: Request, kind: type[A], bodies: Bodies) -> A:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(400, "send `Content-Type: application/json`")
    try:
        body = await bodies.read(
            request.receive, announced=request.headers.get("content-length", "").encode()
        )
        return msgspec.convert(_DECODER.decode(body), kind)
    except TooLarge as exc:
        raise Problem(413, "the body is larger than 1 MiB") from exc
    except (TooMany, Left) as exc:
        raise Problem(503, "too many bodies are being read", headers={"Retry-After": "1"}) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Problem(400, f"the body is wrong: {exc}") from exc
