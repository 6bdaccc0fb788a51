"""Shadow mode over the ops API."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient, keys
from tests.support.shop import ORG
from tests.web.ops.conftest import (
    API,
    LOW,
    audit_entries,
    execute_jobs,
    get,
    post,
)


async def begin_shadow(rules_ops: httpx2.AsyncClient) -> httpx2.Response:
    return await rules_ops.post(f"{API}/shadow")


async def test_shadow_mode_is_enabled_previewed_and_disabled(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    begun, again = await begin_shadow(rules_ops), await begin_shadow(rules_ops)
    await post(rules_ops, "rules/publish", rules=LOW, approve=True)
    await execute_jobs(redis)
    await redis.delete(keys.shop(ORG, "mark:2"))  # the drain has decided, and written nothing

    looked = await post(rules_ops, "shadow/disable", dry_run=True, lang="en")
    assert (looked["preview"]["added"], looked["preview"]["parent"], looked["run"]) == (1, 2, None)
    assert (looked["preview"]["shadow"], looked["shadow"]) == (True, True)
    refused = await post(rules_ops, "shadow/disable", status=409)
    assert refused["approval"]["touched"] == 1
    assert not await redis.exists(keys.shop(ORG, "mark:2"))
    done = await post(rules_ops, "shadow/disable", approve=True)
    await execute_jobs(redis)

    assert [each.json()["shadow"] for each in (begun, again)] == [True, True]
    assert (done["run"]["pending"], done["run"]["by"], done["shadow"]) == (True, "an", False)
    assert (await get(rules_ops, f"runs/{done['run']['id']}"))["total"] == 1
    assert await redis.exists(keys.shop(ORG, "mark:2"))
    assert (await rules_ops.get(API)).json()["shadow"] is False
    assert [action for _, action in await audit_entries(redis)] == ["live", "publish", "shadow", "publish"]
    [newest, *_] = (await get(rules_ops, "audit"))["entries"]
    assert newest["summary"] == "version 2: touches 1 of 3 customers, adds 1 tags, removes 0, approved"


async def test_disabling_shadow_mode_is_refused_if_it_is_off(rules_ops: httpx2.AsyncClient) -> None:
    refused = await post(rules_ops, "shadow/disable", dry_run=True, status=409)

    assert "is not in shadow mode" in refused["detail"]
    assert (await rules_ops.post(f"{API.replace(ORG, '1000000009')}/shadow")).status_code == 404
