"""Every mistake in a request is answered with a problem, and nothing is answered without a token that may ask for it."""

from __future__ import annotations

import re

import httpx2
import pytest

from service.domain.access import Role
from service.domain.customers import OrgId
from service.store.client import RedisClient, keys
from service.web.ops.contract import Endpoint
from service.web.ops.routes import ENDPOINTS
from tests.support.shop import OPS_TOKEN, ORG, OTHER_ORG
from tests.web.ops.conftest import API, HIGH, LOW, post, store_token


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="none"),
        pytest.param("Bearer", id="empty"),
        pytest.param("Bearer wrong-token-0123456789", id="wrong"),
        pytest.param(f"Basic {OPS_TOKEN}", id="another scheme"),
        pytest.param(f"Bearer {OPS_TOKEN}x", id="longer"),
    ],
)
async def test_without_a_valid_token_every_request_is_refused(
    client: httpx2.AsyncClient, authorization: str
) -> None:
    answer = await client.get("/ops/v1/shops", headers={"Authorization": authorization})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


NAMES = [endpoint.name for endpoint in ENDPOINTS]
# The least role of every endpoint, once more, so that a change of one is a change of this table as well.
LEAST = {
    Role.VIEWER: "list_shops shop_status list_deliveries list_dead_letters group_dead_letters list_runs run_status show_rules list_versions "
    "compare_versions explain_customer list_audit_log verify_audit_log doctor shop_doctor show_scheduled show_subscription search_customers "
    "show_draft show_customer list_tag_changes list_all_exclusions list_rule_fields show_rules_schema show_field_values",
    Role.MARKETER: "pause preview_rules publish_rules roll_back_rules exclude_customer schedule_rules reschedule_rules "
    "replace_draft discard_draft publish_scheduled_rules unschedule_rules freeze_shop unfreeze_shop",
    Role.OPS: "resume enable_shadow disable_shadow list_unknown_shop_deliveries retry_dead_letters drop_dead_letters "
    "create_replay start_counted_replay pause_running_replay resume_paused_replay cancel_active_replay adopt_tag retract_tag approve_first_look export_customer erase_customer "
    "list_endpoints add_endpoint change_endpoint rotate_endpoint_secret replay_events list_rejected_events retry_events "
    "delete_endpoint start_backfill start_reconcile check_subscription subscribe_shop unsubscribe_shop",
    Role.OWNER: "list_all_tokens create_token delete_token list_service_audit_log verify_service_audit_log list_all_users add_page_user "
    "change_page_user remove_page_user create_sign_in_link show_keys rotate_all_keys register_shop delete_shop "
    "replace_shop_token replace_shop_secret",
}
EVERY_SHOP = {
    "doctor",
    "list_unknown_shop_deliveries",
    "list_all_tokens",
    "create_token",
    "delete_token",
    "list_service_audit_log",
    "verify_service_audit_log",
    "list_all_users",
    "add_page_user",
    "change_page_user",
    "remove_page_user",
    "create_sign_in_link",
    "show_keys",
    "rotate_all_keys",
    "register_shop",
    "delete_shop",
}
THE_LANGUAGE = {"list_rule_fields", "show_rules_schema"}  # of no shop, and the same for everybody


def path_of(endpoint: Endpoint, org: str) -> str:
    """A path of the endpoint. What it names does not exist, except for the shop, so nothing is changed."""
    return endpoint.path.format(
        org=org, customer="404", run="R99", token="nobody", user="nobody", endpoint="E99"
    )


async def ask(
    client: httpx2.AsyncClient, endpoint: Endpoint, headers: dict[str, str], *, org: str
) -> httpx2.Response:
    """A request with an empty object for a body: refused by the endpoint itself, if it gets that far."""
    body = b"{}" if endpoint.method in ("POST", "PUT") else None
    headers = headers | {"Content-Type": "application/json", "If-Match": "*"}
    return await client.request(endpoint.method, path_of(endpoint, org), content=body, headers=headers)


def test_the_table_names_every_endpoint_with_its_role() -> None:
    declared = {endpoint.name: endpoint.role for endpoint in ENDPOINTS}

    assert declared == {name: role for role, names in LEAST.items() for name in names.split()}
    assert {endpoint.name for endpoint in ENDPOINTS if endpoint.every_shop} == EVERY_SHOP


def test_what_names_no_shop_needs_every_shop_or_filters_by_shop() -> None:
    without_shop = {endpoint.name for endpoint in ENDPOINTS if "{org}" not in endpoint.path}

    assert without_shop == EVERY_SHOP - {"delete_shop"} | {"list_shops"} | THE_LANGUAGE


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
async def test_an_endpoint_answers_its_least_role_and_those_above(
    client: httpx2.AsyncClient, redis: RedisClient, endpoint: Endpoint
) -> None:
    for role in Role:
        every_shop = await store_token(redis, role)
        this_shop = await store_token(redis, role, shops=frozenset({ORG}))
        may = role.includes(endpoint.role)

        allowed = await ask(client, endpoint, every_shop, org=ORG)
        limited = await ask(client, endpoint, this_shop, org=ORG)

        assert (allowed.status_code == 403) is not may, role
        assert (limited.status_code == 403) is not (may and not endpoint.every_shop), role
        if not may:
            assert f"it needs the role {endpoint.role}" in allowed.json()["detail"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=NAMES)
async def test_another_shop_does_not_exist_for_a_token(
    client: httpx2.AsyncClient, redis: RedisClient, endpoint: Endpoint
) -> None:
    for role in Role:
        headers = await store_token(redis, role, shops=frozenset({OTHER_ORG}))
        await _is_hidden(client, endpoint, headers)


async def _is_hidden(client: httpx2.AsyncClient, endpoint: Endpoint, headers: dict[str, str]) -> None:
    known = await ask(client, endpoint, headers, org=ORG)
    unknown = await ask(client, endpoint, headers, org="999")

    if "{org}" in endpoint.path:
        assert (known.status_code, unknown.status_code) == (404, 404)
        assert known.text.replace(ORG, "") == unknown.text.replace("999", "")
    elif endpoint.name == "list_shops":
        assert [shop["org"] for shop in known.json()["shops"]] == [OTHER_ORG]
    elif endpoint.name in THE_LANGUAGE:
        assert (known.status_code, known.content) == (200, unknown.content)
    else:
        assert known.status_code == 403


async def test_the_document_is_for_every_role_and_token(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    headers = await store_token(redis, Role.VIEWER, shops=frozenset({OrgId("7")}))

    assert (await client.get("/ops/openapi.json", headers=headers)).status_code == 200


async def test_a_marketer_publishes_within_the_guard_and_cannot_approve_beyond_it(
    rules_ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    rules_ops.headers.update(await store_token(redis, Role.MARKETER))
    renamed = HIGH.replace("tag: VIP,", "tag: VIP, note: như cũ,")
    again = await post(rules_ops, "rules/publish", rules=renamed, note="như cũ")

    await post(rules_ops, "rules/publish", rules=LOW, status=409)
    refused = await post(rules_ops, "rules/publish", rules=LOW, approve=True, status=403)

    assert again["version"]["author"] == "marketer-all"
    assert "may not approve a change beyond the guard" in refused["detail"]
    rules_ops.headers.update(await store_token(redis, Role.OPS))
    await post(rules_ops, "rules/publish", rules=LOW, approve=True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "/ops/v1/shops/999", None, 404, id="unknown shop"),
        pytest.param("GET", "/ops/v1/shops/abc", None, 404, id="no org at all"),
        pytest.param("GET", f"{API}/deliveries?customer=-1", None, 400, id="negative customer"),
        pytest.param("GET", f"{API}/deliveries?since=yesterday", None, 400, id="not a moment"),
        pytest.param("GET", f"{API}/deliveries?since=2020-01-01T00:00:00", None, 400, id="no offset"),
        pytest.param("GET", f"{API}/deliveries?cursor=%2B", None, 400, id="bad page"),
        pytest.param("GET", f"{API}/deliveries?cursor=IjEi", None, 400, id="a cursor of another list"),
        pytest.param("GET", f"{API}/deliveries?limit=0", None, 400, id="limit 0"),
        pytest.param("GET", f"{API}/deliveries?limit=1&limit=2", None, 400, id="given twice"),
        pytest.param("GET", f"{API}/deliveries?lmit=1", None, 400, id="unknown parameter"),
        pytest.param("POST", f"{API}/pause", b"{}", 400, id="no reason"),
        pytest.param("POST", f"{API}/pause", b"not json", 400, id="not JSON"),
        pytest.param("POST", f"{API}/pause", b'{"reason": "x", "resaon": "y"}', 400, id="unknown field"),
        pytest.param("POST", f"{API}/pause", b" " * (1024 * 1024 + 1), 413, id="too large"),
        pytest.param("POST", f"{API}/replays", b"{}", 409, id="nothing chosen"),
        pytest.param("POST", f"{API}/replays", b'{"everybody": true}', 409, id="nobody to replay"),
        pytest.param("POST", f"{API}/replays", b'{"customers": [9223372036854775808]}', 400, id="2^63"),
        pytest.param("GET", f"{API}/customers/seven", None, 404, id="a word for a customer"),
        pytest.param("GET", f"{API}/customers/9223372036854775808", None, 400, id="2^63 for a customer"),
        pytest.param("GET", f"{API}/customers/{'9' * 4301}", None, 404, id="4,301 digits to explain"),
        pytest.param("GET", f"{API}/customers/{'9' * 60}", None, 400, id="60 digits"),
        pytest.param(
            "GET", f"{API}/deliveries?customer={'9' * 4301}", None, 400, id="4,301 digits in a query"
        ),
        pytest.param("GET", f"{API}/deliveries?limit={'9' * 20}", None, 400, id="20 digits for a limit"),
        pytest.param("GET", f"/ops/v1/shops/{'9' * 4301}", None, 404, id="4,301 digits for a shop"),
        pytest.param("GET", f"{API}/runs/R{'9' * 4301}", None, 404, id="4,301 digits for a run"),
        pytest.param(
            "POST", f"{API}/pause", b'{"reason": %s}' % (b"9" * 4301), 400, id="4,301 digits in a body"
        ),
        pytest.param("POST", f"{API}/pause", b'{"reason": "\\ud800"}', 400, id="half a surrogate"),
        pytest.param("POST", f"{API}/pause", b"[" * 100_000, 400, id="nested"),
        pytest.param("GET", f"{API}/customers/7?on=0001-01-01", None, 404, id="the first day"),
        pytest.param("DELETE", f"{API}/dead-letters/retry", None, 405, id="another path's method"),
        pytest.param("GET", f"{API}/runs/R99", None, 404, id="unknown run"),
        pytest.param("GET", "/ops/v1/nothing", None, 404, id="no such path"),
        pytest.param("PUT", f"{API}/pause", None, 405, id="no such method"),
        pytest.param("POST", f"{API}/rules/publish", b"{}", 428, id="no version that it is based on"),
    ],
)
async def test_a_wrong_request_is_answered_with_a_problem(
    ops: httpx2.AsyncClient, method: str, path: str, body: bytes | None, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await ops.request(method, path, content=body, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert len(answer.json()["detail"]) > 5


async def test_an_error_of_redis_is_a_503(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    await redis.set(keys.partition_key(ORG, "shops") + "x", 1)
    await redis.delete(keys.partition_key(ORG, "shops"))
    await redis.set(keys.partition_key(ORG, "shops"), "not a set")

    answer = await ops.get("/ops/v1/shops")

    assert answer.status_code == 503


HOSTILE_TEXTS = [
    "9" * 4301,
    "9" * 19,
    "-1",
    "0",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "%2e%2e%2f",
    "a" * 8_000,
    "'\";--",
    "{}",
    "%D9%A1%D9%A2",
    "1e9",
    "NaN",
    "0001-01-01",
    "9999-12-31T23:59:59-23:59",
    "1-0.999999999999999999999",
    "18446744073709551616-0",
    "R0",
    "",
]
PARAMETER = re.compile(r"\{\w+\}")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
async def test_no_path_gives_a_server_error(ops: httpx2.AsyncClient, endpoint: Endpoint) -> None:
    statuses = set()
    for text in HOSTILE_TEXTS:
        for path in (
            PARAMETER.sub(text, endpoint.path),
            PARAMETER.sub(text, endpoint.path.replace("{org}", ORG)),
        ):
            answer = await ops.request(
                endpoint.method, path, content=b"{}", headers={"Content-Type": "application/json"}
            )
            statuses.add(answer.status_code)

    assert max(statuses) < 500


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET" and endpoint.request is not None],
    ids=lambda endpoint: endpoint.name,
)
async def test_no_query_gives_a_server_error(ops: httpx2.AsyncClient, endpoint: Endpoint) -> None:
    assert endpoint.request is not None
    path = endpoint.path.format(org=ORG, customer=7, run="R1", endpoint="E1")
    statuses = set()
    for name in (*endpoint.request.__struct_fields__, "made_up"):
        for text in HOSTILE_TEXTS:
            statuses.add((await ops.get(f"{path}?{name}={text}")).status_code)

    assert max(statuses) < 500
