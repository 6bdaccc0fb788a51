"""Endpoints of events in the ops API."""

from __future__ import annotations

import httpx2
import pytest

from service.store.client import RedisClient
from service.store.events import endpoints
from tests.support.shop import ORG
from tests.web.ops.conftest import API

URL = "https://hooks.example.com/haravan"


async def test_an_endpoint_is_added_changed_listed_and_deleted(ops: httpx2.AsyncClient) -> None:
    added = (await ops.post(f"{API}/endpoints", json={"url": URL, "events": ["shop.paused"]})).json()
    changed = (await ops.post(f"{API}/endpoints/E1", json={"url": f"{URL}/2", "disabled": True})).json()
    enabled = (await ops.post(f"{API}/endpoints/E1", json={"disabled": False})).json()
    listed = await ops.get(f"{API}/endpoints")
    deleted = await ops.delete(f"{API}/endpoints/E1")

    assert added["secret"].startswith("whsec_")
    assert added["events"] == ["shop.paused"]
    assert (changed["endpoints"][0]["url"], changed["endpoints"][0]["disabled"]) == (f"{URL}/2", "by_hand")
    assert enabled["endpoints"][0]["disabled"] == ""
    assert "secret" not in listed.text
    assert deleted.json() == {"endpoints": [], "next": None}


async def test_a_new_secret_is_shown_once(ops: httpx2.AsyncClient) -> None:
    first = (await ops.post(f"{API}/endpoints", json={"url": URL})).json()["secret"]

    second = (await ops.post(f"{API}/endpoints/E1/rotate")).json()["secret"]

    assert first != second


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "http://example.com/", "https://169.254.169.254/latest"]
)
async def test_an_address_that_must_not_be_called_is_refused(ops: httpx2.AsyncClient, url: str) -> None:
    answer = await ops.post(f"{API}/endpoints", json={"url": url})

    assert (answer.status_code, "no events can be sent" in answer.json()["detail"]) == (409, True)


async def test_an_unknown_type_and_an_unknown_endpoint_are_refused(ops: httpx2.AsyncClient) -> None:
    wrong = await ops.post(f"{API}/endpoints", json={"url": URL, "events": ["customer.deleted"]})
    none = await ops.post(f"{API}/endpoints", json={"url": URL, "events": []})
    unknown = await ops.post(f"{API}/endpoints/E7/retry")

    assert (wrong.status_code, none.status_code, unknown.status_code) == (400, 400, 404)


async def test_what_was_rejected_is_listed_and_sent_again(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await ops.post(f"{API}/endpoints", json={"url": URL})
    await endpoints.add_dead(redis, ORG, "E1", source="ledger", entry="17-0", cause="HTTP 400")

    listed = (await ops.get(f"{API}/endpoints/E1/rejected")).json()["events"]
    retried = await ops.post(f"{API}/endpoints/E1/retry")

    assert [(each["entry"], each["cause"]) for each in listed] == [("17-0", "HTTP 400")]
    assert retried.json() == {"retried": 1}
    assert (await ops.get(f"{API}/endpoints/E1/rejected")).json() == {"events": [], "next": None}
