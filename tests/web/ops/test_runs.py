"""Replays over the ops API: counted first, then followed as a run."""

from __future__ import annotations

import httpx2
from arq.connections import ArqRedis

from service.store.client import keys
from tests.support.sender import Sender
from tests.support.shop import ORG
from tests.web.ops.conftest import API


async def test_a_selection_by_time_says_the_time_as_people_read_it(ops: httpx2.AsyncClient) -> None:
    counted = await ops.post(f"{API}/replays", json={"since": "2026-11-20T12:00:00+07:00", "dry_run": True})

    assert counted.json()["selection"] == "deliveries since 2026-11-20T05:00:00+00:00"


async def test_a_replay_is_counted_first_and_marks_in_the_bulk_lane(
    redis: ArqRedis, ops: httpx2.AsyncClient
) -> None:
    counted = await ops.post(f"{API}/replays", json={"customers": [3, 1, 3], "dry_run": True})
    assert counted.json() == {"customers": 2, "selection": "2 customers by id", "run": None}
    assert await redis.zcard(keys.shop(ORG, "ready:bulk")) == 0

    run = (await ops.post(f"{API}/replays", json={"customers": [3, 1, 3], "reason": "sau sự cố"})).json()[
        "run"
    ]

    assert (run["by"], run["reason"], run["total"], run["remaining"]) == ("an", "sau sự cố", 2, 2)
    assert await redis.zcard(keys.shop(ORG, "ready:bulk")) == 2
    assert (await ops.get(f"{API}/runs/{run['id']}")).json() == run
    assert (await ops.get(f"{API}/runs")).json()["runs"] == [run]


async def test_a_replay_of_a_time_span_selects_the_customers_of_its_deliveries(
    ops: httpx2.AsyncClient,
) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await Sender(ops).deliver(b'{"customer": {"id": 8}}', topic="orders/create")

    asked = {"since": "2020-01-01T00:00:00Z", "topics": ["orders/create"], "dry_run": True}

    assert (await ops.post(f"{API}/replays", json=asked)).json()["customers"] == 1
