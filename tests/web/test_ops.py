"""The ops API: what it answers, whom it refuses, and that its document tells the truth."""

from __future__ import annotations

import json

import httpx2
import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import CustomerId
from service.store.client import keys
from service.store.history.deliveries import list_deliveries
from service.store.shops.repository import ShopRepository
from tests.support.sender import Sender
from tests.support.shop import OPS_TOKEN, ORG, OTHER_ORG

API = f"/ops/v1/shops/{ORG}"


@pytest.fixture
async def ops(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """The same client, with an operator's token."""
    client.headers["Authorization"] = f"Bearer {OPS_TOKEN}"
    return client


async def dead_letter(redis: ArqRedis, customer: int) -> None:
    """An open dead letter, as the drain writes it."""
    letter = {"rejected": {"text": "422", "first": 1, "last": 2, "count": 3, "transient": False}}
    await redis.hset(keys.shop(ORG, "dead_letters"), str(customer), json.dumps(letter))


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="none"),
        pytest.param("Bearer", id="empty"),
        pytest.param("Bearer wrong-token-0123456789", id="wrong"),
        pytest.param(f"Basic {OPS_TOKEN}", id="another scheme"),
        pytest.param(f"Bearer {OPS_TOKEN}x", id="longer"),
    ],
)
async def test_without_a_token_nothing_is_told(client: httpx2.AsyncClient, authorization: str) -> None:
    answer = await client.get("/ops/v1/shops", headers={"Authorization": authorization})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_shops_are_listed_with_how_their_work_stands(redis: ArqRedis, ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await dead_letter(redis, 9)

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


async def test_deliveries_are_found_by_customer_and_in_pages_by_time(ops: httpx2.AsyncClient) -> None:
    for number in (7, 8, 7, 9, 7):
        await Sender(ops).deliver(json.dumps({"id": number}).encode())

    of_one = (await ops.get(f"{API}/deliveries", params={"customer": 7})).json()["deliveries"]
    first = (await ops.get(f"{API}/deliveries", params={"limit": 3})).json()
    second = (await ops.get(f"{API}/deliveries", params={"limit": 3, "before": first["before"]})).json()

    assert [each["repeat"] for each in of_one] == [True, True, False]
    assert [each["customer"] for each in first["deliveries"] + second["deliveries"]] == [7, 9, 7, 8, 7]
    assert second["before"] is None


async def test_deliveries_of_a_span_of_time(ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')

    before = await ops.get(f"{API}/deliveries", params={"until": "2020-01-01T00:00:00+07:00"})
    since = await ops.get(f"{API}/deliveries", params={"since": "2020-01-01T00:00:00Z"})

    assert (len(before.json()["deliveries"]), len(since.json()["deliveries"])) == (0, 1)


async def test_deliveries_of_unknown_shops_are_found(ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}', org="999")

    [delivery] = (await ops.get("/ops/v1/unknown-shops/deliveries")).json()["deliveries"]

    assert (delivery["org"], delivery["outcome"]) == ("999", "ignored:unknown_shop")


async def test_dead_letters_are_listed_retried_and_dropped(redis: ArqRedis, ops: httpx2.AsyncClient) -> None:
    await dead_letter(redis, 7)
    await dead_letter(redis, 8)

    listed = (await ops.get(f"{API}/dead-letters")).json()["dead_letters"]
    retried = await ops.post(f"{API}/dead-letters/retry", json={"customers": [7, 555]})
    dropped = await ops.delete(f"{API}/dead-letters/8")
    again = await ops.delete(f"{API}/dead-letters/8")

    assert [(each["customer"], each["cause"], each["count"]) for each in listed] == [
        (7, "rejected", 3),
        (8, "rejected", 3),
    ]
    assert retried.json() == {"customers": 1}
    assert await redis.zrange(keys.shop(ORG, "ready:bulk"), 0, -1) == [b"7"]
    assert (dropped.status_code, again.status_code) == (200, 404)


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


async def test_a_replay_of_a_span_of_time_finds_whom_deliveries_named(ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await Sender(ops).deliver(b'{"customer": {"id": 8}}', topic="orders/create")

    asked = {"since": "2020-01-01T00:00:00Z", "topics": ["orders/create"], "dry_run": True}

    assert (await ops.post(f"{API}/replays", json=asked)).json()["customers"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "/ops/v1/shops/999", None, 404, id="unknown shop"),
        pytest.param("GET", "/ops/v1/shops/abc", None, 404, id="no org at all"),
        pytest.param("GET", f"{API}/deliveries?customer=-1", None, 400, id="negative customer"),
        pytest.param("GET", f"{API}/deliveries?since=yesterday", None, 400, id="not a moment"),
        pytest.param("GET", f"{API}/deliveries?since=2020-01-01T00:00:00", None, 400, id="no offset"),
        pytest.param("GET", f"{API}/deliveries?before=%2B", None, 400, id="bad page"),
        pytest.param("GET", f"{API}/deliveries?limit=0", None, 400, id="limit 0"),
        pytest.param("GET", f"{API}/deliveries?limit=1&limit=2", None, 400, id="given twice"),
        pytest.param("GET", f"{API}/deliveries?lmit=1", None, 400, id="unknown parameter"),
        pytest.param("POST", f"{API}/pause", b"{}", 400, id="no reason"),
        pytest.param("POST", f"{API}/pause", b"not json", 400, id="not JSON"),
        pytest.param("POST", f"{API}/pause", b'{"reason": "x", "resaon": "y"}', 400, id="unknown field"),
        pytest.param("POST", f"{API}/pause", b" " * (1024 * 1024 + 1), 413, id="too large"),
        pytest.param("POST", f"{API}/replays", b"{}", 409, id="nothing chosen"),
        pytest.param("POST", f"{API}/replays", b'{"everybody": true}', 409, id="nobody to replay"),
        pytest.param("POST", f"{API}/replays", b'{"customers": [9223372036854775808]}', 400, id="2^63"),
        pytest.param("DELETE", f"{API}/dead-letters/seven", None, 404, id="a word for a customer"),
        pytest.param(
            "DELETE", f"{API}/dead-letters/9223372036854775808", None, 400, id="2^63 for a customer"
        ),
        pytest.param(
            "DELETE", f"{API}/dead-letters/{'9' * 4301}", None, 404, id="4,301 digits for a customer"
        ),
        pytest.param("GET", f"{API}/customers/{'9' * 4301}", None, 404, id="4,301 digits to explain"),
        pytest.param("GET", f"{API}/customers/{'9' * 60}", None, 400, id="60 digits"),
        pytest.param(
            "GET", f"{API}/deliveries?customer={'9' * 4301}", None, 400, id="4,301 digits in a query"
        ),
        pytest.param("GET", f"{API}/deliveries?limit={'9' * 20}", None, 400, id="20 digits for a limit"),
        pytest.param("GET", f"/ops/v1/shops/{'9' * 4301}", None, 404, id="4,301 digits for a shop"),
        pytest.param("GET", f"{API}/runs/R{'9' * 4301}", None, 404, id="4,301 digits for a run"),
        pytest.param(
            "POST", f"{API}/pause", b'{"reason": %s}' % (b"9" * 4301), 400, id="4,301 digits in a body"
        ),
        pytest.param("POST", f"{API}/pause", b'{"reason": "\\ud800"}', 400, id="half a surrogate"),
        pytest.param("POST", f"{API}/pause", b"[" * 100_000, 400, id="nested"),
        pytest.param("GET", f"{API}/customers/7?on=0001-01-01", None, 404, id="the first day"),
        pytest.param("DELETE", f"{API}/dead-letters/retry", None, 405, id="another path's method"),
        pytest.param("GET", f"{API}/runs/R99", None, 404, id="unknown run"),
        pytest.param("GET", "/ops/v1/nothing", None, 404, id="no such path"),
        pytest.param("PUT", f"{API}/pause", None, 405, id="no such method"),
    ],
)
async def test_a_mistake_is_told_as_a_problem(
    ops: httpx2.AsyncClient, method: str, path: str, body: bytes | None, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await ops.request(method, path, content=body, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert len(answer.json()["detail"]) > 5


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00"])
async def test_the_first_and_the_last_moment_can_be_asked_for(ops: httpx2.AsyncClient, moment: str) -> None:
    for name in ("since", "until"):
        assert (await ops.get(f"{API}/deliveries?{name}={moment}")).status_code == 200


async def test_redis_away_is_a_503(ops: httpx2.AsyncClient, redis: ArqRedis) -> None:
    await redis.set(keys.partition_key(ORG, "shops") + "x", 1)
    await redis.delete(keys.partition_key(ORG, "shops"))
    await redis.set(keys.partition_key(ORG, "shops"), "not a set")

    answer = await ops.get("/ops/v1/shops")

    assert answer.status_code == 503


async def test_a_customers_deliveries_never_show_a_body(redis: ArqRedis, ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7, "email": "canary@example.com", "phone": "0900000001"}')

    told = (await ops.get(f"{API}/deliveries", params={"customer": 7})).text
    [delivery] = (await list_deliveries(redis, ORG)).deliveries

    assert "canary" not in told
    assert "0900000001" not in told
    assert delivery.customer == CustomerId(7)
