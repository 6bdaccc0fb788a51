"""Replays over the ops API: counted first, then followed as a run."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient, keys
from tests.support.sender import Sender
from tests.support.shop import ORG
from tests.web.ops.conftest import API


async def test_a_replay_is_counted_first_and_what_was_counted_runs(
    redis: RedisClient, ops: httpx2.AsyncClient
) -> None:
    counted = await ops.post(f"{API}/replays", json={"customers": [3, 1, 3], "dry_run": True})
    run = counted.json()
    before = (await ops.get(f"{API}/runs")).json()["runs"]

    started = await ops.post(
        f"{API}/replays/{run['id']}/start", json={"reason": "sau sự cố", "per_minute": 120}
    )
    again = await ops.post(f"{API}/replays/{run['id']}/start", json={"reason": "lần nữa"})

    assert (run["counted"], run["total"], run["selection"]) == (True, 2, "2 customers by id")
    assert before == []
    assert started.json() | {"started_ms": 0} == run | {
        "by": "an",
        "counted": False,
        "pending": True,
        "per_minute": 120,
        "reason": "sau sự cố",
        "started_ms": 0,
    }
    assert again.json() == started.json()
    assert (await ops.get(f"{API}/runs/{run['id']}")).json() == started.json()
    assert (await ops.get(f"{API}/runs")).json()["runs"] == [started.json()]
    assert await redis.zcard(keys.shop(ORG, "ready:bulk")) == 0  # a worker marks them


async def test_a_replay_by_filter_says_what_it_selected(ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await Sender(ops).deliver(b'{"customer": {"id": 8}}', topic="orders/create")
    await Sender(ops).deliver(b'{"customer": {"id": 8}, "note": "2"}', topic="orders/create")
    wanted = {"since": "2020-01-01T12:00:00+07:00", "topics": ["orders/create"], "outcomes": ["marked"]}

    run = (await ops.post(f"{API}/replays", json={"deliveries": wanted, "dry_run": True})).json()
    none = await ops.post(
        f"{API}/replays", json={"deliveries": wanted | {"outcomes": ["echo"]}, "dry_run": True}
    )

    assert (run["total"], run["deliveries"]) == (1, 2)
    assert run["selection"] == (
        "webhooks · topic orders/create · outcome: accepted · since 1 Jan 2020 05:00 UTC"
    )
    assert none.status_code == 409


async def test_a_replay_is_paused_resumed_and_cancelled(ops: httpx2.AsyncClient) -> None:
    run = (await ops.post(f"{API}/replays", json={"customers": [7]})).json()["id"]

    paused = (await ops.post(f"{API}/replays/{run}/pause")).json()
    resumed = (await ops.post(f"{API}/replays/{run}/resume")).json()
    cancelled = (await ops.post(f"{API}/replays/{run}/cancel")).json()
    late = await ops.post(f"{API}/replays/{run}/pause")

    assert (paused["paused_by"], resumed["paused_by"]) == ("an", "")
    assert (cancelled["ended"], cancelled["remaining"], late.status_code) == ("cancelled", 0, 409)


async def test_runs_are_found_by_kind_state_and_time(rules_ops: httpx2.AsyncClient) -> None:
    ids = [
        (await rules_ops.post(f"{API}/replays", json={"customers": [customer]})).json()["id"]
        for customer in (1, 2, 3)
    ]
    await rules_ops.post(f"{API}/replays/{ids[1]}/cancel")

    async def listed(**query: str) -> list[str]:
        found: list[str] = []
        asked = query | {"limit": "1"}
        while True:
            page = (await rules_ops.get(f"{API}/runs", params=asked)).json()
            found += [run["id"] for run in page["runs"]]
            if page["next"] is None:
                return found
            asked["cursor"] = page["next"]

    assert await listed(kind="replay") == ids[::-1]
    assert await listed(kind="publish") == ["P1"]
    assert await listed(kind="replay", active="true") == [ids[2], ids[0]]
    assert await listed(kind="replay", active="false") == [ids[1]]
    assert await listed(until="2020-01-01T00:00:00Z") == []
    assert await listed(since="2020-01-01T00:00:00Z") == [*ids[::-1], "P1"]


async def test_a_count_is_forgotten_after_an_hour(redis: RedisClient, ops: httpx2.AsyncClient) -> None:
    run = (await ops.post(f"{API}/replays", json={"customers": [7], "dry_run": True})).json()["id"]
    ttls = [await redis.ttl(keys.shop(ORG, f"run:{run}{name}")) for name in ("", ":waiting")]

    missing = await ops.post(f"{API}/replays/R999/start", json={})

    assert all(0 < ttl <= 3600 for ttl in ttls)
    assert missing.status_code == 404
