"""The first look over the ops API."""

from __future__ import annotations

import httpx2

from service.domain.customers.customer import Customer
from service.store.client import RedisClient, keys
from service.store.shops import save_first_look
from tests.support.shop import ORG
from tests.web.ops.conftest import (
    API,
    audit_entries,
    execute_jobs,
    post,
    store_customer,
)


async def test_a_first_look_is_previewed_and_approved(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
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
