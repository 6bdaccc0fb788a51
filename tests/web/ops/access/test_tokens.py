"""Tokens over the ops API: made once with their secret, listed without it, revoked."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from service.domain.access import Role
from service.store.client import RedisClient
from tests.support.shop import ORG
from tests.web.ops.conftest import store_token

TOKENS = "/ops/v1/tokens"


async def create(ops: httpx2.AsyncClient, *, status: int = 200, **body: Any) -> Any:
    response = await ops.post(TOKENS, json=body)
    assert response.status_code == status, response.text
    return response.json()


async def test_a_token_is_made_used_and_revoked(ops: httpx2.AsyncClient) -> None:
    made = await create(ops, name="bao-cao", role="viewer", shops=[ORG], expires="2099-01-01T00:00:00+07:00")
    headers = {"Authorization": f"Bearer {made['secret']}"}
    assert (await ops.get(f"/ops/v1/shops/{ORG}", headers=headers)).status_code == 200

    [listed] = (await ops.get(TOKENS)).json()["tokens"]
    assert listed | {"used_ms": None} == made["token"]
    assert listed["used_ms"] > 0
    assert (listed["role"], listed["shops"], listed["created_by"]) == ("viewer", [ORG], "an")
    assert made["secret"] not in str(listed)

    assert (await ops.delete(f"{TOKENS}/bao-cao")).json() == {"name": "bao-cao"}
    assert (await ops.get(f"/ops/v1/shops/{ORG}", headers=headers)).status_code == 401
    assert (await ops.get(TOKENS)).json()["tokens"] == []


async def test_a_token_of_an_owner_makes_tokens_as_well(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    ops.headers.update(await store_token(redis, Role.OWNER))

    assert (await create(ops, name="a", role="ops"))["token"]["created_by"] == "owner-all"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "a"}, 400),
        ({"name": "a", "role": "admin"}, 400),
        ({"name": "a b", "role": "ops"}, 400),
        ({"name": "a", "role": "ops", "shops": []}, 400),
        ({"name": "a", "role": "ops", "shops": ["x"]}, 400),
        ({"name": "a", "role": "ops", "shops": ["999"]}, 409),
        ({"name": "a", "role": "ops", "expires": "2020-01-01T00:00:00Z"}, 409),
        ({"name": "taken", "role": "ops"}, 409),
    ],
)
async def test_a_wrong_token_is_not_made(ops: httpx2.AsyncClient, body: dict[str, Any], status: int) -> None:
    await create(ops, name="taken", role="viewer")

    await create(ops, status=status, **body)

    assert [token["name"] for token in (await ops.get(TOKENS)).json()["tokens"]] == ["taken"]


async def test_revoking_an_unknown_token_says_where_the_others_are(ops: httpx2.AsyncClient) -> None:
    refused = await ops.delete(f"{TOKENS}/an")

    assert refused.status_code == 404
    assert "OPS_TOKENS" in refused.json()["detail"]
