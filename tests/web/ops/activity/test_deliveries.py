"""Deliveries and dead letters over the ops API."""

from __future__ import annotations

import json

import httpx2
import pytest

from service.domain.customers.customer import CustomerId
from service.store.client import RedisClient, keys
from service.store.history.deliveries import list_deliveries
from tests.support.sender import Sender
from tests.support.shop import ORG
from tests.web.ops.conftest import API, store_dead_letter


async def test_deliveries_are_found_by_customer_and_in_pages_by_time(ops: httpx2.AsyncClient) -> None:
    for index, number in enumerate((7, 8, 7, 9, 7)):
        await Sender(ops).deliver(json.dumps({"id": number, "note": str(index)}).encode())
    await Sender(ops).deliver(json.dumps({"id": 7, "note": "2"}).encode())

    of_one = (await ops.get(f"{API}/deliveries", params={"customer": 7})).json()["deliveries"]
    first = (await ops.get(f"{API}/deliveries", params={"limit": 3})).json()
    second = (await ops.get(f"{API}/deliveries", params={"limit": 3, "cursor": first["next"]})).json()

    assert [each["repeats"] for each in of_one] == [0, 1, 0]
    assert [each["customer"] for each in first["deliveries"] + second["deliveries"]] == [7, 9, 7, 8, 7]
    assert second["next"] is None


async def test_deliveries_of_a_span_of_time(ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')

    before = await ops.get(f"{API}/deliveries", params={"until": "2020-01-01T00:00:00+07:00"})
    since = await ops.get(f"{API}/deliveries", params={"since": "2020-01-01T00:00:00Z"})

    assert (len(before.json()["deliveries"]), len(since.json()["deliveries"])) == (0, 1)


async def test_deliveries_of_unknown_shops_are_found(ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}', org="999")

    [delivery] = (await ops.get("/ops/v1/unknown-shops/deliveries")).json()["deliveries"]

    assert (delivery["org"], delivery["outcome"]) == ("999", "ignored:unknown_shop")


async def test_dead_letters_are_listed_grouped_retried_and_dropped(
    redis: RedisClient, ops: httpx2.AsyncClient
) -> None:
    await store_dead_letter(redis, 7)
    await store_dead_letter(redis, 8)

    listed = (await ops.get(f"{API}/dead-letters")).json()["dead_letters"]
    [group] = (await ops.get(f"{API}/dead-letters/groups", params={"lang": "en"})).json()["groups"]
    retried = await ops.post(f"{API}/dead-letters/retry", json={"customers": [7, 555]})
    other = await ops.post(f"{API}/dead-letters/retry", json={"cause": "denied"})
    unreasoned = await ops.post(f"{API}/dead-letters/drop", json={"group": group["key"]})
    dropped = await ops.post(f"{API}/dead-letters/drop", json={"group": group["key"], "reason": "thử"})
    again = await ops.post(f"{API}/dead-letters/drop", json={"group": group["key"], "reason": "thử"})

    assert [(each["customer"], each["cause"], each["count"]) for each in listed] == [
        (7, "rejected", 3),
        (8, "rejected", 3),
    ]
    assert (group["customers"], group["cause"], group["transient"]) == (2, "rejected", False)
    assert "then retry" in group["fix"]
    assert (retried.json(), other.json()) == ({"customers": 1}, {"customers": 0})
    assert await redis.zrange(keys.shop(ORG, "ready:bulk"), 0, -1) == [b"7"]
    assert (unreasoned.status_code, dropped.json(), again.status_code) == (400, {"customers": 2}, 404)


async def test_deliveries_are_filtered_by_topic_and_outcome(ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await Sender(ops).deliver(b'{"customer": {"id": 8}}', topic="orders/paid")
    await Sender(ops).deliver(b"[]", topic="orders/paid")

    async def found(**wanted: str) -> list[int | None]:
        answer = await ops.get(f"{API}/deliveries", params=wanted)
        return [each["customer"] for each in answer.json()["deliveries"]]

    assert await found(topic="orders/paid") == [None, 8]
    assert await found(topic="orders/paid", outcome="marked") == [8]
    assert await found(outcome="ignored") == [None]
    assert await found(outcome="ignored:unreadable") == [None]
    assert await found(outcome="ignored:test") == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00"])
async def test_the_earliest_and_the_latest_time_are_accepted(ops: httpx2.AsyncClient, moment: str) -> None:
    for name in ("since", "until"):
        assert (await ops.get(f"{API}/deliveries?{name}={moment}")).status_code == 200


async def test_a_customers_deliveries_never_show_a_body(redis: RedisClient, ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7, "email": "canary@example.com", "phone": "0900000001"}')

    told = (await ops.get(f"{API}/deliveries", params={"customer": 7})).text
    [delivery] = (await list_deliveries(redis, ORG)).deliveries

    assert "canary" not in told
    assert "0900000001" not in told
    assert delivery.customer == CustomerId(7)
