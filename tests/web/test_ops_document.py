"""The OpenAPI document: complete, and its examples are what the API takes and gives."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec
import pytest

from service.web.ops.document import document, statuses
from service.web.ops.examples import ANSWERED, ASKED, FAULTED
from service.web.ops.models import Fault
from service.web.ops.questions import read_body
from service.web.ops.table import BY_NAME, TABLE, Operation

NAMES = [each.name for each in TABLE]


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = document(TABLE)["paths"][operation.path][operation.method.lower()]
    return found


async def test_anybody_may_read_it(client: httpx2.AsyncClient) -> None:
    told = (await client.get("/ops/openapi.json")).json()

    assert told["openapi"] == "3.1.0"
    assert len([row for path in told["paths"].values() for row in path]) == len(TABLE)


@pytest.mark.parametrize("operation", TABLE, ids=NAMES)
def test_every_operation_is_described_with_an_answer_and_its_refusals(operation: Operation) -> None:
    row = described(operation)

    assert row["summary"]
    assert row["description"]
    given = {"200", "202"} if operation.followed else {"200"}
    assert set(row["responses"]) == given | set(map(str, statuses(operation)))
    for status, response in row["responses"].items():
        kind = "application/json" if status in given else "application/problem+json"
        assert {"schema", "example"} == set(response["content"][kind])


@pytest.mark.parametrize("operation", TABLE, ids=NAMES)
def test_what_it_shows_as_an_answer_is_one(operation: Operation) -> None:
    example = ANSWERED[operation.name]

    told = msgspec.convert(example, operation.answer)

    assert msgspec.json.decode(msgspec.json.encode(told)) == example


@pytest.mark.parametrize("name", sorted(ASKED))
def test_what_it_shows_as_a_body_is_taken(name: str) -> None:
    asked = BY_NAME[name].asked
    assert asked is not None

    for example in ASKED[name].values():
        read_body(msgspec.json.encode(example), asked)


@pytest.mark.parametrize(("name", "status"), sorted(FAULTED))
def test_what_it_shows_as_a_refusal_is_one(name: str, status: int) -> None:
    example = FAULTED[name, status]

    assert msgspec.json.decode(msgspec.json.encode(msgspec.convert(example, Fault))) == example
    assert status in statuses(BY_NAME[name])


def test_whatever_reads_rules_or_looks_at_everybody_is_done_beside_the_web_process() -> None:
    light = {operation.handler.__module__ for operation in TABLE if not operation.beside}

    assert light == {"service.web.ops.operations"}
