"""The OpenAPI 3.1 document of the ops API, generated from its endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from service.domain.access import NAME_PATTERN
from service.domain.customers import MAX_ID
from service.web.ops.contract.requests import Endpoint, ResponseModel
from service.web.problems import MEDIA_TYPE, PROBLEM_TYPES, ProblemKind, problem_details

REF: Final = "#/components/schemas/{name}"
PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "org": {"type": "string", "pattern": "^[0-9]{1,19}$"},
    "customer": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "run": {"type": "string", "pattern": "^[A-Z][0-9]{1,15}$"},
    "endpoint": {"type": "string", "pattern": "^E[0-9]{1,15}$"},
    "user": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
    "token": {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
}
PROBLEMS: Final = {
    304: "The answer is that of `If-None-Match`.",
    400: "The request cannot be parsed; `problems` has every error of a rules document.",
    401: "No token, or an unknown one.",
    403: "The role of the token is too low, or the token is for some shops only.",
    404: "There is no such shop, version, run, rule, customer, endpoint, user or token, or the token is for other shops.",
    405: "This path does not support this method.",
    409: "The request is refused; `approval` says why a publish needs an approval. Or the same request is in progress.",
    412: "Another version of the rules is live than `If-Match` names.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not declared as JSON.",
    422: "The `Idempotency-Key` was sent with another request.",
    428: "`If-Match` is missing.",
    429: "Too many requests with a wrong token came from this address: wait as `Retry-After` says.",
    503: "Redis does not answer, or too many evaluations are running: ask again.",
    504: "The answer takes too long; nothing was changed: ask again.",
}
TYPICAL: Final[dict[int, ProblemKind]] = {  # the first one of each status
    known.status: kind for kind, known in reversed(PROBLEM_TYPES.items())
}
DESCRIPTION: Final = """\
The API for operators and their scripts. A token has a role (viewer, marketer, ops, owner), and may be for some shops only;
other shops do not exist for it. Every change is written to the audit log with the name of the token. A token of
OPS_TOKENS has the role owner. Workers execute long operations: the answer has the run, and `runs/{run}` has its progress.

Errors are `application/problem+json` (RFC 9457); `type` leads to the explanation at `/ops/problems`. Lists come in pages: `next`
of an answer is the `cursor` of the following page, null on the last. Every request that changes something may be sent with an
`Idempotency-Key`: a repeated one gets the first answer for 24 hours. Every GET has an `ETag`.
"""


class RuleProblem(ResponseModel, frozen=True):
    """One error of a rules document. `line` and `column` count from 1; both are 0 if the document is an object.

    `path` counts from 0. `rule` is the name of the rule or tier, `messages` has the message in every language.
    """

    line: int
    column: int
    path: str
    kind: str
    rule: str
    message: str
    messages: dict[str, str]
    part: str


class Approval(ResponseModel, frozen=True):
    """The limits that a publish exceeds, and by how much."""

    why: list[Literal["share", "removals"]]
    customers: int
    touched: int
    max_customers: int
    removed: int
    max_removed: int


class ProblemDetails(ResponseModel, frozen=True):
    """An error (RFC 9457). `problems`: all errors of a rules document; `approval`: why it needs an approval; `live` and
    `expected`: the ETags of the live rules and of `If-Match`."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[RuleProblem] | UnsetType = UNSET
    approval: Approval | UnsetType = UNSET
    live: str | UnsetType = UNSET
    expected: list[str] | UnsetType = UNSET


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document of these endpoints."""
    types: list[Any] = [ProblemDetails]
    for endpoint in endpoints:
        types += [kind for kind in (endpoint.response, endpoint.request) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, schema_of, components)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "haravan-tagger: ops", "version": "1", "description": DESCRIPTION},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                str(status): _problem(
                    status, schema_of[ProblemDetails], problem_details(kind, PROBLEMS[status])
                )
                for status, kind in sorted(TYPICAL.items())
                if status in PROBLEMS
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def error_statuses(endpoint: Endpoint) -> Iterator[int]:
    """The error statuses that the endpoint can return."""
    yield from (400, 401, 403, 405, 429, 503)
    if "{" in endpoint.path:
        yield 404
    if endpoint.is_change or endpoint.has_body:
        yield 409
    if endpoint.is_change:
        yield 422
    if endpoint.has_body:
        yield from (413, 415)
    if endpoint.if_match != "no":
        yield 412
    if endpoint.if_match == "required":
        yield 428
    if endpoint.cpu_bound and endpoint.method == "GET":
        yield 504


def _operation(endpoint: Endpoint, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    summary, _, more = (endpoint.handler.__doc__ or "").strip().partition("\n")
    success = _content("Success.", schema_of[endpoint.response], "application/json")
    success["content"]["application/json"]["example"] = endpoint.example
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": summary,
        "description": f"{' '.join(more.split()) or summary} {_needs(endpoint)}",
        "parameters": [
            *(_in_path(name) for name in re.findall(r"\{(\w+)\}", endpoint.path)),
            *_in_headers(endpoint),
        ],
        "responses": {"200": success, **_problems(endpoint, schema_of[ProblemDetails])},
    }
    if endpoint.method == "GET":
        operation["responses"]["304"] = {"description": PROBLEMS[304]}
    if endpoint.deprecation is not None:
        operation["deprecated"] = True
    if endpoint.request is not None and endpoint.has_body:
        operation["requestBody"] = _body(endpoint, schema_of[endpoint.request])
    elif endpoint.request is not None:
        operation["parameters"] += _in_query(components[endpoint.request.__name__])
    return operation


def _needs(endpoint: Endpoint) -> str:
    reach = " and a token for every shop" if endpoint.every_shop else ""
    return f"Needs the role {endpoint.role}{reach}."


def _problems(endpoint: Endpoint, schema: dict[str, Any]) -> dict[str, Any]:
    """The errors of an endpoint: those of its own with an example, others as all endpoints have them."""
    responses: dict[str, Any] = {}
    for status in sorted(error_statuses(endpoint)):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
        if example := endpoint.problem_examples.get(status):
            responses[str(status)] = _problem(status, schema, example)
    return responses


def _problem(status: int, schema: dict[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    response = _content(PROBLEMS[status], schema, MEDIA_TYPE)
    response["content"][MEDIA_TYPE]["example"] = example
    return response


def _body(endpoint: Endpoint, schema: dict[str, Any]) -> dict[str, Any]:
    examples = {name: {"value": value} for name, value in endpoint.request_examples.items()}
    return {
        "required": endpoint.is_body_required,
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS[name]}


def _in_headers(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    if endpoint.is_change:
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 255}
        about = "A repeated request with the same key gets the first answer for 24 hours"
        yield {"name": "Idempotency-Key", "in": "header", "description": about, "schema": schema}
    if endpoint.if_match != "no":
        yield {
            "name": "If-Match",
            "in": "header",
            "required": endpoint.if_match == "required",
            "description": 'The ETag of the rules that the change is based on, such as "v41"; `*`: whatever is live',
            "schema": {"type": "string", "minLength": 1},
            "example": '"v41"',
        }


def _in_query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _content(text: str, schema: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"description": text, "content": {kind: {"schema": schema}}}
