"""The webhook subscription over the ops API: a request is stored, and a worker carries it out."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient
from service.store.jobs import pending
from tests.support.shop import ORG
from tests.web.ops.conftest import get, post


async def test_a_request_is_stored_for_a_worker(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    before = await get(ops, "subscription")
    asked = await post(ops, "subscription")
    checked = await post(ops, "subscription/check", status=409)

    assert (before["topics"], before["action"], asked["action"], asked["requested_by"]) == (
        None,
        None,
        "subscribe",
        "an",
    )
    assert checked["type"] == "/ops/problems#refused"
    assert await get(ops, "subscription") == asked
    assert [job.kind for job in await pending.list_jobs(redis, ORG)] == ["subscription"]
