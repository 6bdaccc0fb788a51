"""The OpenAPI 3.1 document of the ops API, made from the table of operations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from service.domain.customers import MAX_ID
from service.web.ops.examples import ANSWERED, ASKED, FAULTED
from service.web.ops.models import Fault, LateAnswer
from service.web.ops.table import Operation
from service.web.problems import MEDIA_TYPE

REF: Final = "#/components/schemas/{name}"
PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "org": {"type": "string", "pattern": "^[0-9]{1,19}$"},
    "customer": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "run": {"type": "string", "pattern": "^[A-Z][0-9]{1,15}$"},
    "answer": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
}
FAULTS: Final = {
    400: "What was asked cannot be understood; `problems` has every error of a rules document.",
    401: "No token, or none of ours.",
    404: "There is no such shop, version, run, answer, rule or customer.",
    405: "Not with this method.",
    409: "What was asked must not be done; `approval` says what a publish needs one for.",
    413: "The body is larger than 1 MiB.",
    503: "Redis does not answer, or too much is asked for at a time: come again.",
    504: "It takes too long; nothing was changed: ask again.",
}
LATE: Final = """\
It takes long and goes on: the answer will be at `Location`. Asked again before its answer was heard, it is not done
twice."""
DESCRIPTION: Final = """\
What operators' scripts may see and do. Every token of OPS_TOKENS has the ops role: it may publish, approve and undo,
and its name stands in the audit log. Errors are `application/problem+json` (RFC 9457).
"""


def document(table: Sequence[Operation]) -> dict[str, Any]:
    """The whole document."""
    types: list[Any] = [Fault, LateAnswer]
    for operation in table:
        types += [each for each in (operation.answer, operation.asked) if each is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, schema_of, components
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "haravan-tagger: ops", "version": "1", "description": DESCRIPTION},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def statuses(operation: Operation) -> Iterator[int]:
    """The refusals that the operation can give."""
    yield 401
    yield 405
    yield 503
    if operation.asked is not None or "{customer}" in operation.path:
        yield 400
    if "{org}" in operation.path:
        yield 404
    if operation.method == "POST" and operation.asked is not None:
        yield from (409, 413)
    if operation.beside and not operation.followed:
        yield 504


def _operation(operation: Operation, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = (operation.handler.__doc__ or "").strip().partition("\n")
    answer = _content("What was asked for.", schema_of[operation.answer], "application/json")
    answer["content"]["application/json"]["example"] = ANSWERED[operation.name]
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": summary,
        "description": re.sub(r"\s+", " ", more).strip() or summary,
        "parameters": [_in_path(name) for name in re.findall(r"\{(\w+)\}", operation.path)],
        "responses": {"200": answer, **_faults(operation, schema_of[Fault])},
    }
    if operation.followed:
        made["responses"]["202"] = _late(schema_of[LateAnswer])
    if operation.asked is not None and operation.method == "GET":
        made["parameters"] += _in_query(components[operation.asked.__name__])
    elif operation.asked is not None:
        made["requestBody"] = _body(operation, schema_of[operation.asked])
    return made


def _late(schema: dict[str, Any]) -> dict[str, Any]:
    made = _content(re.sub(r"\s+", " ", LATE), schema, "application/json")
    made["headers"] = {"Location": {"required": True, "schema": {"type": "string"}}}
    made["content"]["application/json"]["example"] = ANSWERED["show_answer"]
    return made


def _faults(operation: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status in sorted(statuses(operation)):
        plain = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": FAULTS[status],
        }
        made[str(status)] = _content(FAULTS[status], schema, MEDIA_TYPE)
        made[str(status)]["content"][MEDIA_TYPE]["example"] = FAULTED.get((operation.name, status), plain)
    return made


def _body(operation: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    examples = {name: {"value": value} for name, value in ASKED[operation.name].items()}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS[name]}


def _in_query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _content(text: str, schema: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"description": text, "content": {kind: {"schema": schema}}}
