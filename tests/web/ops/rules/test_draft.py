"""The draft over the ops API: replaced as a whole, over the state that it was made from."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient
from tests.web.ops.conftest import API, HIGH, LOW, audit_entries, get

PATH = f"{API}/rules/draft"


async def test_a_draft_is_replaced_over_the_state_that_it_was_made_from(
    rules_ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    live = await rules_ops.get(PATH)
    blind = await rules_ops.put(PATH, json={"rules": LOW})
    saved = await rules_ops.put(PATH, json={"rules": LOW}, headers={"If-Match": live.headers["etag"]})
    late = await rules_ops.put(PATH, json={"rules": HIGH}, headers={"If-Match": live.headers["etag"]})
    kept = await rules_ops.delete(PATH, headers={"If-Match": live.headers["etag"]})
    discarded = await rules_ops.delete(PATH, headers={"If-Match": saved.headers["etag"]})

    assert (live.json()["revision"], live.json()["parent"], live.headers["etag"]) == (0, 1, '"d0.1.0"')
    assert [each.status_code for each in (blind, saved, late, kept, discarded)] == [428, 200, 412, 412, 200]
    assert (late.json()["live"], late.json()["expected"]) == (saved.headers["etag"], [live.headers["etag"]])
    assert saved.json()["rules"]["rules"][0]["when"]["value"] == 9_000_000
    assert discarded.json() == live.json()
    assert (await get(rules_ops, "rules"))["version"]["number"] == 1
    assert [action for _, action in await audit_entries(redis)] == [
        "discard_draft",
        "replace_draft",
        "publish",
    ]
