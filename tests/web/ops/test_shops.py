"""Shops over the ops API: listed, paused and resumed, shadow mode on and off."""

from __future__ import annotations

import httpx2
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer
from service.store.client import keys
from service.store.shops import save_first_look
from service.store.shops.repository import ShopRepository
from tests.support.sender import Sender
from tests.support.shop import ORG, OTHER_ORG
from tests.web.ops.conftest import (
    API,
    LOW,
    audit_entries,
    execute_jobs,
    get,
    post,
    store_customer,
    store_dead_letter,
)


async def test_shops_are_listed_with_their_backlog(redis: ArqRedis, ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await store_dead_letter(redis, 9)

    first, second = (await ops.get("/ops/v1/shops")).json()["shops"]

    assert (first["org"], first["due"]["live"], first["dead_letters"]) == (ORG, 1, 1)
    assert (second["org"], second["dialect"], second["due"]["live"]) == (OTHER_ORG, "admin", 0)
    assert not {"token", "secret"} & first.keys()


async def test_a_shop_is_paused_and_resumed(ops: httpx2.AsyncClient, shops: ShopRepository) -> None:
    paused = await ops.post(f"{API}/pause", json={"reason": "kiểm tra"})
    assert (paused.json()["paused"], paused.json()["paused_by"]) == ("kiểm tra", "an")

    resumed = await ops.post(f"{API}/resume")

    assert resumed.json()["paused"] == ""
    assert (await shops.get_or_raise(ORG)).paused == ""


async def begin_shadow(rules_ops: httpx2.AsyncClient) -> httpx2.Response:
    return await rules_ops.post(f"{API}/shadow")


async def test_shadow_mode_is_enabled_previewed_and_disabled(
    redis: ArqRedis, rules_ops: httpx2.AsyncClient
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


async def test_a_first_look_is_previewed_and_approved(redis: ArqRedis, rules_ops: httpx2.AsyncClient) -> None:
    nothing = await post(rules_ops, "first-look/approve", status=409)
    await save_first_look(redis, ORG, "waiting")
    await redis.hdel(keys.shop(ORG, "snapshots"), "1")
    await store_customer(redis, Customer(id=2, total_spent=20_000_000_0000))

    looked = await post(rules_ops, "first-look/approve", dry_run=True, lang="en")
    status = (await rules_ops.get(API)).json()["first_look"]
    done = await post(rules_ops, "first-look/approve")
    await execute_jobs(redis)

    assert "nothing waits for an approval" in nothing["detail"]
    assert (looked["preview"]["added"], looked["preview"]["guard"]["needs_approval"], looked["run"]) == (
        1,
        True,
        None,
    )
    assert (status, done["preview"], done["run"]["reason"]) == ("waiting", None, "first look")
    assert (await rules_ops.get(API)).json()["first_look"] == "complete"
    assert await redis.exists(keys.shop(ORG, "mark:2"))
    assert (await audit_entries(redis))[0] == ("an", "approve")


async def test_the_doctor_says_what_is_wrong_with_a_shop_and_the_command_that_repairs_it(
    redis: ArqRedis, ops: httpx2.AsyncClient
) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await store_dead_letter(redis, 9)

    report = await get(ops, "doctor", lang="en")

    found = {finding["key"]: finding for finding in report["findings"]}
    assert report["verdict"] == "critical"
    assert found["dead_letters_open"] == {
        "key": "dead_letters_open",
        "severity": "critical",
        "org": ORG,
        "text": "Not processed, and waiting for a person: 1 customer. Causes: Haravan refused the write (1).",
        "command": f"tagger dead-letters list {ORG}",
    }
    assert found["webhooks"]["severity"] == "ok"
    assert (await get(ops, "doctor", deep="true"))["verdict"] == "critical"


async def test_the_doctor_compares_the_settings_of_the_web_process(ops: httpx2.AsyncClient) -> None:
    report = (await ops.get("/ops/v1/doctor", params={"lang": "en"})).json()

    found = {finding["key"]: finding for finding in report["findings"]}
    assert found["alerts_missing"]["org"] is None
    assert {finding["org"] for finding in report["findings"]} == {None, ORG, OTHER_ORG}
    assert "store_not_durable" not in found  # DURABILITY=everysec
