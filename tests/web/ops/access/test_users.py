"""Users of the pages over the ops API."""

from __future__ import annotations

import httpx2

USERS = "/ops/v1/users"


async def test_users_are_added_changed_listed_and_removed(ops: httpx2.AsyncClient) -> None:
    await ops.post(USERS, json={"name": "lan", "email": "lan@example.com", "role": "owner"})
    added = await ops.post(USERS, json={"name": "hoa", "email": "hoa@example.com", "role": "viewer"})
    twice = await ops.post(USERS, json={"name": "hoa", "email": "hoa2@example.com", "role": "viewer"})
    changed = await ops.put(f"{USERS}/hoa", json={"role": "marketer"})
    link = await ops.post(f"{USERS}/hoa/link")
    first = (await ops.get(USERS, params={"limit": 1})).json()
    second = (await ops.get(USERS, params={"limit": 1, "cursor": first["next"]})).json()
    last_owner = await ops.delete(f"{USERS}/lan")
    removed = await ops.delete(f"{USERS}/hoa")
    unknown = await ops.delete(f"{USERS}/hoa")

    assert added.json()["path"].startswith("/sign-in?key=hoa_")
    assert link.json()["path"] != added.json()["path"]
    assert (changed.json()["role"], changed.json()["email"]) == ("marketer", "h•••@example.com")
    assert [each["name"] for each in first["users"] + second["users"]] == ["hoa", "lan"]
    assert second["next"] is None
    assert [each.status_code for each in (twice, last_owner, removed, unknown)] == [409, 409, 200, 404]
