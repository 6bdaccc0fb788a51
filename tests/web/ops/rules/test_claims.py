"""Claims over the ops API."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient, keys
from tests.support.shop import ORG
from tests.web.ops.conftest import audit_entries, execute_jobs, get, post


async def test_copies_are_counted_then_adopted(redis: RedisClient, rules_ops: httpx2.AsyncClient) -> None:
    counted = await post(rules_ops, "rules/adopt", tag="VIP", dry_run=True)
    assert counted == {
        "tag": "VIP",
        "action": "adopt",
        "customers": 1,
        "samples": [3],
        "needs_approval": False,
        "run": None,
    }
    assert not await redis.hexists(keys.shop(ORG, "owned"), "3")

    done = await post(rules_ops, "rules/adopt", tag="VIP")
    again = await post(rules_ops, "rules/adopt", tag="vip")
    await execute_jobs(redis)

    run = await get(rules_ops, f"runs/{done['run']['id']}")
    assert again["run"]["id"] == done["run"]["id"]
    assert (run["kind"], run["explains_removals"], run["total"], run["pending"]) == ("adopt", True, 1, False)
    assert await redis.hexists(keys.shop(ORG, "owned"), "3")
    assert (await audit_entries(redis))[0] == ("an", "adopt")


async def test_only_a_tag_that_no_live_rule_gives_is_retracted(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    refused = await post(rules_ops, "rules/retract", tag="VIP", status=409)
    assert "would give 'VIP' again" in refused["detail"]
    await post(rules_ops, "rules/publish", rules="version: 1\nrules: []\n", approve=True)

    counted = await post(rules_ops, "rules/retract", tag="VIP", dry_run=True)
    unapproved = await post(rules_ops, "rules/retract", tag="VIP", status=409)
    done = await post(rules_ops, "rules/retract", tag="VIP", approve=True)

    assert (counted["needs_approval"], "it removes 1 tags" in unapproved["detail"]) == (True, True)
    assert (done["run"]["kind"], done["run"]["pending"]) == ("retract", True)
    assert (counted["customers"], counted["run"]) == (1, None)
    assert (done["samples"], done["run"]["reason"]) == ([1], "retract VIP")
    assert (await audit_entries(redis))[0] == ("an", "retract")
