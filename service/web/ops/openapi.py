"""The OpenAPI 3.1 document of the ops API, generated from its endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from service.domain.customers import MAX_ID
from service.web.ops.requests import Endpoint, ResponseModel
from service.web.problems import MEDIA_TYPE

REF: Final = "#/components/schemas/{name}"
PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "org": {"type": "string", "pattern": "^[0-9]{1,19}$"},
    "customer": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "run": {"type": "string", "pattern": "^[A-Z][0-9]{1,15}$"},
}
PROBLEMS: Final = {
    400: "What was asked cannot be understood; `problems` has every error of a rules document.",
    401: "No token, or none of ours.",
    404: "There is no such shop, version, run, rule or customer.",
    405: "Not with this method.",
    409: "What was asked must not be done; `approval` says what a publish needs one for.",
    413: "The body is larger than 1 MiB.",
    503: "Redis does not answer, or too much is asked for at a time: come again.",
    504: "It takes too long; nothing was changed: ask again.",
}
DESCRIPTION: Final = """\
What operators' scripts may see and do. Every token of OPS_TOKENS has the ops role: it may publish, approve and undo,
and its name stands in the audit log. Errors are `application/problem+json` (RFC 9457). What takes long is done by a
worker: the answer has its run, which is followed at `runs/{run}`.
"""


class RuleProblem(ResponseModel, frozen=True):
    """One problem of a rules document; `line` and `column` count from 1, both are 0 where it came as an object."""

    line: int
    column: int
    path: str
    kind: str
    message: str
    part: str


class Approval(ResponseModel, frozen=True):
    """Which limit a publish goes beyond, and by how much."""

    why: list[Literal["share", "removals"]]
    customers: int
    touched: int
    max_customers: int
    removed: int
    max_removed: int


class ProblemDetails(ResponseModel, frozen=True):
    """An error (RFC 9457). `problems`: all that is wrong with a rules document; `approval`: why it needs one."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[RuleProblem] | UnsetType = UNSET
    approval: Approval | UnsetType = UNSET


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The whole document."""
    types: list[Any] = [ProblemDetails]
    for endpoint in endpoints:
        types += [each for each in (endpoint.response, endpoint.request) if each is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        described = _endpoint(endpoint, schema_of, components)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = described
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


def error_statuses(endpoint: Endpoint) -> Iterator[int]:
    """The errors that the endpoint can give."""
    yield from (401, 405, 503)
    if endpoint.request is not None or "{customer}" in endpoint.path:
        yield 400
    if "{org}" in endpoint.path:
        yield 404
    if endpoint.method == "POST" and endpoint.request is not None:
        yield from (409, 413)
    if endpoint.cpu_bound and endpoint.method == "GET":
        yield 504


def _endpoint(endpoint: Endpoint, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = (endpoint.handler.__doc__ or "").strip().partition("\n")
    answer = _content("What was asked for.", schema_of[endpoint.response], "application/json")
    answer["content"]["application/json"]["example"] = endpoint.example
    made: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": summary,
        "description": re.sub(r"\s+", " ", more).strip() or summary,
        "parameters": [_in_path(name) for name in re.findall(r"\{(\w+)\}", endpoint.path)],
        "responses": {"200": answer, **_problems(endpoint, schema_of[ProblemDetails])},
    }
    if endpoint.request is not None and endpoint.method == "GET":
        made["parameters"] += _in_query(components[endpoint.request.__name__])
    elif endpoint.request is not None:
        made["requestBody"] = _body(endpoint, schema_of[endpoint.request])
    return made


def _problems(endpoint: Endpoint, schema: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status in sorted(error_statuses(endpoint)):
        plain = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": PROBLEMS[status],
        }
        made[str(status)] = _content(PROBLEMS[status], schema, MEDIA_TYPE)
        made[str(status)]["content"][MEDIA_TYPE]["example"] = endpoint.problem_examples.get(status, plain)
    return made


def _body(endpoint: Endpoint, schema: dict[str, Any]) -> dict[str, Any]:
    examples = {name: {"value": value} for name, value in endpoint.request_examples.items()}
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
