"""Shadow mode over the ops API: begun, looked at, ended with an approval, in the audit log."""

from __future__ import annotations

import httpx2
from arq.connections import ArqRedis

from service.store.client import keys
from tests.support.shop import ORG
from tests.web.test_ops_rules import API, LOW, asked, deeds, executed, got, ops

__all__ = ["ops"]  # a fixture


async def begin(ops: httpx2.AsyncClient) -> httpx2.Response:
    return await ops.post(f"{API}/shadow")


async def test_shadow_mode_is_begun_looked_at_and_ended(redis: ArqRedis, ops: httpx2.AsyncClient) -> None:
    begun, again = await begin(ops), await begin(ops)
    await asked(ops, "rules/publish", rules=LOW, approve=True)
    await executed(redis)
    await redis.delete(keys.shop(ORG, "mark:2"))  # the drain has decided, and written nothing

    looked = await asked(ops, "shadow/disable", dry_run=True, lang="en")
    assert (looked["preview"]["added"], looked["preview"]["parent"], looked["run"]) == (1, 2, None)
    assert (looked["preview"]["shadow"], looked["shadow"]) == (True, True)
    refused = await asked(ops, "shadow/disable", status=409)
    assert refused["approval"]["touched"] == 1
    assert not await redis.exists(keys.shop(ORG, "mark:2"))
    done = await asked(ops, "shadow/disable", approve=True)
    await executed(redis)

    assert [each.json()["shadow"] for each in (begun, again)] == [True, True]
    assert (done["run"]["pending"], done["run"]["by"], done["shadow"]) == (True, "an", False)
    assert (await got(ops, f"runs/{done['run']['id']}"))["total"] == 1
    assert await redis.exists(keys.shop(ORG, "mark:2"))
    assert (await ops.get(API)).json()["shadow"] is False
    assert [what for _, what in await deeds(redis)] == ["live", "publish", "shadow", "publish"]
    [newest, *_] = (await got(ops, "audit"))["entries"]
    assert (newest["by"], newest["details"]["version"], newest["details"]["approved"]) == ("an", 2, True)


async def test_a_shop_that_is_not_in_shadow_mode_cannot_go_live(ops: httpx2.AsyncClient) -> None:
    refused = await asked(ops, "shadow/disable", dry_run=True, status=409)

    assert "is not in shadow mode" in refused["detail"]
    assert (await ops.post(f"{API.replace(ORG, '1000000009')}/shadow")).status_code == 404
