"""The ops API does what its OpenAPI document says: no 500, and no request or answer that it does not describe."""

from __future__ import annotations

import copy
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.schemas import OpenApiSchema

from service.web.ops.contract import document
from service.web.ops.routes import ENDPOINTS
from service.web.ops.rules import RULES_EXAMPLE, RULES_TEXT_EXAMPLE
from tests.support.shop import OPS_TOKEN, ORG

pytestmark = pytest.mark.timeout(900)
Case = schemathesis.Case[Any]
HEADERS: Final = {"Authorization": f"Bearer {OPS_TOKEN}", "If-Match": "*"}
EXISTING: Final = {  # most requests name what exists, or they would only get 404
    "org": {"type": "string", "enum": [ORG, ORG, ORG, "999"]},
    "customer": {"type": "integer", "enum": [1, 2, 404]},
    "run": {"type": "string", "enum": ["R1", "P1", "P2"]},
    "token": {"type": "string", "enum": ["bao-cao", "truc-ca"]},
    "user": {"type": "string", "enum": ["lan", "an"]},
    "endpoint": {"type": "string", "enum": ["E1", "E1", "E2", "E404"]},
}


def described() -> dict[str, Any]:
    """The document of the API without its headers: uvicorn itself refuses odd ones, and a key that is used twice is refused."""
    description = copy.deepcopy(document(ENDPOINTS))
    for path in description["paths"].values():
        for operation in path.values():
            operation["parameters"] = [each for each in operation["parameters"] if each["in"] != "header"]
    return description


def narrowed() -> dict[str, Any]:
    """The document with paths of what exists, and rules and addresses that are valid."""
    description = described()
    for path in description["paths"].values():
        for operation in path.values():
            operation["parameters"] = [
                each for each in operation["parameters"] if each["name"] != "cursor"
            ]  # it comes from an earlier answer
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] = EXISTING[parameter["name"]]
            if operation["operationId"] == "delete_shop":
                operation["parameters"][0]["schema"] = {"enum": ["999"]}  # the others need the shop
    for name in ("PreviewRequest", "PublishRequest", "ScheduleRequest", "DraftRequest"):
        description["components"]["schemas"][name]["properties"]["rules"] = {
            "enum": [RULES_EXAMPLE, RULES_TEXT_EXAMPLE]
        }
    for name in ("AddEndpointRequest", "ChangeEndpointRequest"):
        description["components"]["schemas"][name]["properties"]["url"] = {
            "enum": ["https://hooks.example.com/haravan", "https://192.0.2.1/"]
        }
    description["components"]["schemas"]["AddShopRequest"]["properties"]["api_url"] = {
        "enum": ["https://apis.haravan.com/com"]
    }
    for name in ("AddShopRequest", "TokenRequest"):  # no worker runs that could ask Haravan
        schema = description["components"]["schemas"][name]
        schema["properties"]["unchecked"] = {"enum": [True]}
        schema["required"] = [*schema["required"], "unchecked"]
    return description


def requests_for(description: dict[str, Any], mode: GenerationMode) -> OpenApiSchema:
    """Requests as the document describes them, or requests that break it somewhere."""
    schema = schemathesis.openapi.from_dict(description)
    schema.config.generation.update(modes=[mode], with_security_parameters=False, database="none")
    # on a busy machine the process that evaluates rules may start too late
    schema.config.checks.not_a_server_error.expected_statuses = ["2xx", "3xx", "4xx", "504"]
    return schema


# of every operation; without `-m "not slow"` many more
REQUESTS: Final = settings(
    max_examples=4 if settings.get_current_profile_name() == "ci" else 300,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
valid = requests_for(narrowed(), GenerationMode.POSITIVE)
invalid = requests_for(described(), GenerationMode.NEGATIVE).exclude(
    operation_id=["show_keys"]
)  # has no parameters to break


def send(case: Case, port: int) -> None:
    """Send the request and compare the answer with the document."""
    # The first request with CPU work starts a process, which takes long on a busy machine.
    case.call_and_validate(base_url=f"http://127.0.0.1:{port}", headers=HEADERS, timeout=120)


@valid.parametrize()
@REQUESTS
def test_valid_requests_are_answered_as_described(case: Case, port: int) -> None:
    send(case, port)


@invalid.parametrize()
@REQUESTS
def test_invalid_requests_are_refused_as_described(case: Case, port: int) -> None:
    send(case, port)
