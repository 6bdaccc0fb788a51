"""The OpenAPI 3.1 document of the ops API, made from the table of operations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from service.domain.customers import MAX_ID
from service.web.ops.models import Fault
from service.web.ops.table import Operation

REF: Final = "#/components/schemas/{name}"
PATH_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "org": {"type": "string", "pattern": "^[0-9]{1,19}$"},
    "customer": {"type": "integer", "minimum": 1, "maximum": MAX_ID},
    "run": {"type": "string", "pattern": "^[A-Z][0-9]{1,15}$"},
}
FAULTS: Final = {
    400: "What was asked cannot be understood.",
    401: "No token, or none of ours.",
    404: "There is no such shop, run or customer.",
    405: "Not with this method.",
    409: "What was asked must not be done.",
    413: "The body is larger than 1 MiB.",
    503: "Redis does not answer.",
}


def document(table: Sequence[Operation]) -> dict[str, Any]:
    """The whole document."""
    types: list[Any] = [Fault]
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
        "info": {"title": "haravan-tagger: ops", "version": "1"},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    text = (operation.handler.__doc__ or "").strip()
    made: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": text.partition("\n")[0],
        "parameters": [_in_path(name) for name in re.findall(r"\{(\w+)\}", operation.path)],
        "responses": {
            "200": _content("What was asked for.", schema_of[operation.answer], "application/json"),
            **{
                str(status): _content(text, schema_of[Fault], "application/problem+json")
                for status, text in FAULTS.items()
            },
        },
    }
    if operation.asked is not None and operation.method == "GET":
        made["parameters"] += _in_query(components[operation.asked.__name__])
    elif operation.asked is not None:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[operation.asked]}},
        }
    return made


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
