"""Shops are added and removed over the ops API, and their credentials never come back."""

from __future__ import annotations

import httpx2

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.history import audit_log
from service.store.shops.repository import ShopRepository
from tests.support.shop import KEY, ORG
from tests.web.ops.conftest import API

NEW = OrgId("1000000077")
SHOP = {"org": NEW, "token": "canary-token-0123456789", "name": "Cửa hàng mới", "shadow": True}
UNCHECKED = SHOP | {"unchecked": True}


async def test_a_shop_is_added_and_removed(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    added = await ops.post("/ops/v1/shops", json=UNCHECKED)
    twice = await ops.post("/ops/v1/shops", json=UNCHECKED)
    listed = (await ops.get("/ops/v1/shops")).json()["shops"]
    stored = await ShopRepository(redis, KeyRing([KEY])).get_or_raise(NEW)
    removed = await ops.delete(f"/ops/v1/shops/{NEW}", params={"keep_data": "true"})
    gone = await ops.get(f"/ops/v1/shops/{NEW}")

    assert (added.status_code, twice.status_code, removed.json()) == (
        200,
        409,
        {"org": NEW, "keep_data": True},
    )
    assert NEW in [shop["org"] for shop in listed]
    assert (stored.token, stored.shadow, stored.dialect) == (SHOP["token"], True, "omni")
    assert "canary" not in added.text
    assert gone.status_code == 404
    actions = [row.entry.action for row in await audit_log.list_entries(redis)]
    assert actions == ["remove_shop", "add_shop"]


async def test_a_shop_with_a_wrong_field_leaves_no_trace(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    for field, value in (("timezone", "Hà Nội"), ("api_url", "http://apis.haravan.com/com")):
        refused = await ops.post("/ops/v1/shops", json=SHOP | {field: value})
        assert refused.status_code == 409, refused.text

    assert await audit_log.list_entries(redis) == []


async def test_a_token_is_not_stored_while_no_worker_can_check_it(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    added = await ops.post("/ops/v1/shops", json=SHOP)
    replaced = await ops.put(f"{API}/token", json={"token": "canary-new-token"})

    for answer in (added, replaced):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert answer.json()["type"] == "/ops/problems#token-unchecked"
        assert "no worker runs" in answer.json()["detail"]
    repository = ShopRepository(redis, KeyRing([KEY]))
    assert (await repository.exists(NEW), (await repository.get_or_raise(ORG)).token) == (False, "t" * 20)
    assert [*await audit_log.list_entries(redis), *await audit_log.list_entries(redis, ORG)] == []


async def test_credentials_are_replaced(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    token = await ops.put(f"{API}/token", json={"token": "canary-new-token", "unchecked": True})
    secret = await ops.put(f"{API}/secret", json={"secret": "canary-new-secret"})

    stored = await ShopRepository(redis, KeyRing([KEY])).get_or_raise(ORG)
    assert (token.status_code, secret.status_code, stored.token) == (200, 200, "canary-new-token")
    assert "canary" not in token.text + secret.text
    assert "canary" not in str(await audit_log.list_entries(redis, ORG))


async def test_resuming_also_resumes_removals_if_asked(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    await redis.hset(keys.shop(ORG, "state"), "removals_paused", "guard")

    without = (await ops.post(f"{API}/resume")).json()
    with_them = (await ops.post(f"{API}/resume", json={"removals": True})).json()

    assert (bool(without["removals_paused"]), bool(with_them["removals_paused"])) == (True, False)
