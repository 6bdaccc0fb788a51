"""Every mistake in a request is answered with a problem, and nothing is answered without a token."""

from __future__ import annotations

import httpx2
import pytest
from arq.connections import ArqRedis

from service.store.client import keys
from tests.support.shop import OPS_TOKEN, ORG
from tests.web.ops.conftest import API


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


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "/ops/v1/shops/999", None, 404, id="unknown shop"),
        pytest.param("GET", "/ops/v1/shops/abc", None, 404, id="no org at all"),
        pytest.param("GET", f"{API}/deliveries?customer=-1", None, 400, id="negative customer"),
        pytest.param("GET", f"{API}/deliveries?since=yesterday", None, 400, id="not a moment"),
        pytest.param("GET", f"{API}/deliveries?since=2020-01-01T00:00:00", None, 400, id="no offset"),
        pytest.param("GET", f"{API}/deliveries?before=%2B", None, 400, id="bad page"),
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
        pytest.param("DELETE", f"{API}/dead-letters/seven", None, 404, id="a word for a customer"),
        pytest.param(
            "DELETE", f"{API}/dead-letters/9223372036854775808", None, 400, id="2^63 for a customer"
        ),
        pytest.param(
            "DELETE", f"{API}/dead-letters/{'9' * 4301}", None, 404, id="4,301 digits for a customer"
        ),
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


async def test_an_error_of_redis_is_a_503(ops: httpx2.AsyncClient, redis: ArqRedis) -> None:
    await redis.set(keys.partition_key(ORG, "shops") + "x", 1)
    await redis.delete(keys.partition_key(ORG, "shops"))
    await redis.set(keys.partition_key(ORG, "shops"), "not a set")

    answer = await ops.get("/ops/v1/shops")

    assert answer.status_code == 503
