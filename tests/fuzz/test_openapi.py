"""The ops API keeps what its document promises, whatever is asked: no 500, nothing accepted or answered that it does not describe."""

from __future__ import annotations

import copy
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.schemas import OpenApiSchema

from service.web.ops.openapi import document
from service.web.ops.routes import ENDPOINTS
from service.web.ops.versions import RULES_EXAMPLE, RULES_TEXT_EXAMPLE
from tests.support.shop import OPS_TOKEN, ORG

pytestmark = pytest.mark.timeout(900)
Case = schemathesis.Case[Any]
TOKEN: Final = {"Authorization": f"Bearer {OPS_TOKEN}"}
KNOWN: Final = {  # what is there, so that more than a 404 is seen
    "org": {"type": "string", "enum": [ORG, ORG, ORG, "999"]},
    "customer": {"type": "integer", "enum": [1, 2, 404]},
    "run": {"type": "string", "enum": ["R1", "P1", "P2"]},
}


def described() -> dict[str, Any]:
    return copy.deepcopy(document(ENDPOINTS))


def of_what_is_there() -> dict[str, Any]:
    """The document, its paths narrowed to what exists and its rules to some that are right."""
    told = described()
    for path in told["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] = KNOWN[parameter["name"]]
    for name in ("PreviewRequest", "PublishRequest"):
        told["components"]["schemas"][name]["properties"]["rules"] = {
            "enum": [RULES_EXAMPLE, RULES_TEXT_EXAMPLE]
        }
    return told


def asking(told: dict[str, Any], mode: GenerationMode) -> OpenApiSchema:
    """Requests as the document describes them, or such that break it somewhere."""
    schema = schemathesis.openapi.from_dict(told)
    schema.config.generation.update(modes=[mode], with_security_parameters=False, database="none")
    return schema


def times(number: int) -> Any:
    """So many requests of each operation."""
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


right = asking(of_what_is_there(), GenerationMode.POSITIVE)
wrong = asking(described(), GenerationMode.NEGATIVE).exclude(operation_id="list_shops")  # asks nothing


def ask(case: Case, port: int) -> None:
    """Ask, and hold the answer against the document."""
    case.call_and_validate(base_url=f"http://127.0.0.1:{port}", headers=TOKEN)


@right.parametrize()
@times(4)
def test_what_is_asked_rightly_is_answered_as_described(case: Case, port: int) -> None:
    ask(case, port)


@wrong.parametrize()
@times(4)
def test_what_is_asked_wrongly_is_refused_as_described(case: Case, port: int) -> None:
    ask(case, port)


@pytest.mark.slow
@right.parametrize()
@times(300)
def test_the_same_of_many_right_ones(case: Case, port: int) -> None:
    ask(case, port)


@pytest.mark.slow
@wrong.parametrize()
@times(300)
def test_the_same_of_many_wrong_ones(case: Case, port: int) -> None:
    ask(case, port)
