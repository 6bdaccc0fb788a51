"""The OpenAPI document is complete, and its examples are valid."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import httpx2
import msgspec
import pytest

from service.web.ops.contract.openapi import ProblemDetails, document, error_statuses
from service.web.ops.contract.requests import Deprecation, Endpoint, read_body
from service.web.ops.routes import ENDPOINTS
from tests.support.shop import OPS_TOKEN

NAMES = [each.name for each in ENDPOINTS]


@cache
def whole() -> dict[str, Any]:
    """The document of all endpoints, which takes a while to make."""
    return document(ENDPOINTS)


def described(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = whole()["paths"][endpoint.path][endpoint.method.lower()]
    return found


def resolved(response: dict[str, Any]) -> dict[str, Any]:
    """A response, or the shared one that it refers to."""
    shared: dict[str, Any] = whole()["components"]["responses"]
    return shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response


async def test_the_document_needs_a_token(client: httpx2.AsyncClient) -> None:
    refused = await client.get("/ops/openapi.json")
    told = await client.get("/ops/openapi.json", headers={"Authorization": f"Bearer {OPS_TOKEN}"})

    assert refused.status_code == 401
    assert told.headers["content-type"] == "application/json"
    assert told.json() == document(ENDPOINTS)
    assert len([row for path in told.json()["paths"].values() for row in path]) == len(ENDPOINTS)


def test_every_endpoint_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
def test_every_endpoint_is_described_with_an_answer_and_its_errors(endpoint: Endpoint) -> None:
    row = described(endpoint)

    assert row["summary"]
    assert row["description"]
    bodiless = {"304"} if endpoint.method == "GET" else set()
    assert set(row["responses"]) == {"200"} | bodiless | set(map(str, error_statuses(endpoint)))
    for status, response in row["responses"].items():
        if status not in bodiless:
            kind = "application/json" if status == "200" else "application/problem+json"
            assert {"schema", "example"} == set(resolved(response)["content"][kind])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
def test_every_example_of_an_answer_is_valid(endpoint: Endpoint) -> None:
    told = msgspec.convert(endpoint.example, endpoint.response)

    assert msgspec.json.decode(msgspec.json.encode(told)) == endpoint.example


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
def test_every_example_of_a_body_is_valid(endpoint: Endpoint) -> None:
    assert bool(endpoint.request_examples) is endpoint.has_body

    for example in endpoint.request_examples.values():
        assert endpoint.request is not None
        read_body(msgspec.json.encode(example), endpoint.request)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
def test_every_example_of_an_error_is_valid(endpoint: Endpoint) -> None:
    for status, example in endpoint.problem_examples.items():
        assert msgspec.json.decode(msgspec.json.encode(msgspec.convert(example, ProblemDetails))) == example
        assert status in error_statuses(endpoint)


def test_an_endpoint_that_will_end_says_so_in_the_document_and_in_its_answers() -> None:
    ending = Deprecation(date(2026, 1, 1), date(2027, 7, 1), "/ops/v1/shops")
    [first, *_] = ENDPOINTS
    described = document([replace(first, deprecation=ending)])["paths"][first.path]["get"]

    assert described["deprecated"] is True
    assert ending.headers == {
        "Deprecation": "@1767225600",
        "Sunset": "Thu, 01 Jul 2027 00:00:00 GMT",
        "Link": '</ops/v1/shops>; rel="successor-version"',
    }


def test_endpoints_that_parse_rules_or_evaluate_customers_run_in_the_cpu_pool() -> None:
    light = {endpoint.name for endpoint in ENDPOINTS if not endpoint.cpu_bound}

    assert light == {
        *("list_endpoints", "add_endpoint", "change_endpoint", "rotate_endpoint_secret"),
        *("replay_events", "list_rejected_events", "retry_events", "delete_endpoint"),
        "list_shops",
        "shop_status",
        "pause",
        "resume",
        "enable_shadow",
        "freeze_shop",
        "show_scheduled",
        "reschedule_rules",
        "unschedule_rules",
        "list_deliveries",
        "list_unknown_shop_deliveries",
        "list_dead_letters",
        "group_dead_letters",
        "retry_dead_letters",
        "drop_dead_letters",
        "start_counted_replay",
        "pause_running_replay",
        "resume_paused_replay",
        "cancel_active_replay",
        "list_runs",
        "run_status",
        "list_tag_changes",
        "list_all_exclusions",
        "list_audit_log",
        "list_service_audit_log",
        *("list_all_users", "add_page_user", "change_page_user", "remove_page_user", "create_sign_in_link"),
        *("show_keys", "rotate_all_keys", "verify_audit_log", "verify_service_audit_log"),
        *("register_shop", "delete_shop", "replace_shop_token", "replace_shop_secret"),
        *("show_subscription", "check_subscription", "subscribe_shop", "unsubscribe_shop"),
        *("start_backfill", "start_reconcile", "list_rule_fields", "show_rules_schema"),
        "list_all_tokens",
        "create_token",
        "delete_token",
    }
