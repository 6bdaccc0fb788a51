"""Exclusions over the ops API."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient, keys
from tests.support.shop import ORG
from tests.web.ops.conftest import audit_entries, post


async def test_an_exclusion_is_previewed_applied_and_undone(
    redis: RedisClient, rules_ops: httpx2.AsyncClient
) -> None:
    looked = await post(rules_ops, "customers/2/exclusions", rule="vip", dry_run=True)
    assert not await redis.exists(keys.shop(ORG, "exclusions"))

    done = await post(rules_ops, "customers/2/exclusions", rule="vip")
    again = await post(rules_ops, "customers/2/exclusions", rule="vip")
    undone = await post(rules_ops, "customers/2/exclusions", rule="vip", undo=True)

    assert looked == done == {"customer": 2, "rule": "vip", "undo": False, "changed": True, "add": [], "remove": []}  # fmt: skip
    assert (again["changed"], undone["changed"]) == (False, True)
    assert [what for _, what in await audit_entries(redis)] == ["include", "exclude", "publish"]
    await post(rules_ops, "customers/2/exclusions", rule="nope", status=404)
