"""Faults: once, at a rate, for one endpoint, for one customer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from deploy.sandbox import Clock, Faults, Refused, ShopHandle

LIST = "/com/customers.json"


async def until_struck(shop: ShopHandle) -> None:
    """Until a call has arrived and met with its fault."""
    async with asyncio.timeout(60):
        while shop.faults.queue != []:  # noqa: ASYNC110 - a fault has no event
            await asyncio.sleep(0)


async def test_the_next_call_fails_and_the_one_after_does_not(api: Any, shop: ShopHandle) -> None:
    shop.faults.fail(500)

    assert [(await api("GET", LIST)).status for _ in range(2)] == [500, 200]


async def test_a_bad_gateway_is_answered_in_html(api: Any, shop: ShopHandle) -> None:
    shop.faults.fail(502)

    response = await api("GET", LIST)

    assert response.status == 502
    assert response.headers["content-type"] == "text/html"
    assert "<h1>502 Bad Gateway</h1>" in response.text
    assert "x-haravan-api-call-limit" not in response.headers


async def test_a_failure_can_have_any_body(api: Any, shop: ShopHandle) -> None:
    shop.faults.fail(422, body='{"errors":"khách hàng bị khóa"}')

    response = await api("GET", LIST)

    assert (response.status, response.text) == (422, '{"errors":"khách hàng bị khóa"}')


@pytest.mark.parametrize("status", [200, 204, 301, 304, 418, 423, 499, 520, 524, 599])
async def test_any_status_can_be_answered(api: Any, shop: ShopHandle, status: int) -> None:
    shop.faults.fail(status, next=1)

    first = await api("GET", LIST, allow_redirects=False)

    assert (first.status, (await api("GET", LIST)).status) == (status, 200)


def test_a_status_that_no_server_answers_is_refused() -> None:
    with pytest.raises(Refused, match="from 200 to 599"):
        Faults().fail(1000)


async def test_a_failed_write_changed_nothing(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    shop.faults.fail(503, endpoint="POST tags")

    await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})

    assert shop.tags(customer) == set()


async def test_a_write_may_work_and_yet_answer_a_failure(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    shop.faults.fail(500, effect=True)

    response = await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})

    assert (response.status, shop.tags(customer)) == (500, {"VIP"})


async def test_a_rate_affects_this_share_of_calls(api: Any, shop: ShopHandle) -> None:
    shop.faults.fail(500, rate=0.3)
    shop.bucket.size = 1_000

    statuses = [(await api("GET", LIST)).status for _ in range(200)]

    assert 40 <= statuses.count(500) <= 80


PATTERNS = {
    "by name": ("GET customers", [500, 200]),
    "by pattern": ("GET *", [500, 500]),
    "another endpoint": ("POST tags", [200, 200]),
}


@pytest.mark.parametrize(("endpoint", "statuses"), PATTERNS.values(), ids=PATTERNS)
async def test_a_fault_can_be_limited_to_an_endpoint(
    api: Any, shop: ShopHandle, endpoint: str, statuses: list[int]
) -> None:
    shop.faults.fail(500, endpoint=endpoint, next=5)

    assert [(await api("GET", path)).status for path in (LIST, "/com/shop.json")] == statuses


async def test_a_fault_for_a_customer_affects_every_list_with_its_id(api: Any, shop: ShopHandle) -> None:
    good, bad = shop.create(), shop.create()
    shop.faults.fail(500, customer=bad, rate=1.0)

    paths = [f"{LIST}?ids={good},{bad}", f"{LIST}?ids={good}", f"/com/customers/{bad}.json"]

    assert [(await api("GET", path)).status for path in paths] == [500, 200, 500]


async def test_a_throttle_refuses_every_call_until_its_time(api: Any, shop: ShopHandle, clock: Clock) -> None:
    shop.faults.throttle(3.0)

    first = await api("GET", LIST)
    second = await api("GET", LIST)
    clock.advance(3)
    third = await api("GET", LIST)

    assert [response.status for response in (first, second, third)] == [429, 429, 200]
    assert first.headers["retry-after"] == "3.0"


async def test_a_timeout_is_silence_until_the_caller_leaves(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    shop.faults.timeout(60)
    request = asyncio.create_task(api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"}))
    await until_struck(shop)

    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request

    assert shop.tags(customer) == set()
    assert (await api("GET", LIST)).status == 200


async def test_a_timeout_ends_in_a_dropped_connection(api: Any, shop: ShopHandle) -> None:
    shop.faults.timeout(0.01, effect=True)
    customer = shop.create()

    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})

    assert shop.tags(customer) == {"VIP"}


async def test_a_write_can_take_effect_and_lose_its_answer(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    shop.faults.lose_answer()

    await api("GET", LIST)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})

    assert shop.tags(customer) == {"VIP"}
    assert [call.status for call in shop.calls.last] == [200, 0]


async def test_the_response_to_a_tag_write_can_be_wrong(api: Any, shop: ShopHandle) -> None:
    customer = shop.create(tags="VIP")
    shop.faults.disagree()

    response = await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "a1"})

    assert (response.json, shop.tags(customer)) == ({"tags": "VIP"}, {"VIP", "a1"})


async def test_a_refused_tag_write_stays_refused(api: Any, shop: ShopHandle) -> None:
    customer = shop.create(tags="VIP")
    shop.faults.disagree()

    assert (await api("POST", f"/com/customers/{customer}/tags.json", {"tags": ""})).status == 422


@pytest.mark.parametrize(("spelling", "stored"), [("lower", {"vip"}), ("upper", {"VIP"}), ("ok", {"Vip"})])
async def test_tags_can_be_stored_in_another_spelling(
    api: Any, shop: ShopHandle, spelling: Any, stored: set[str]
) -> None:
    customer = shop.create()
    shop.faults.tag_spelling = spelling

    await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "Vip"})

    assert shop.tags(customer) == stored


IDS: dict[str, Callable[[list[int]], list[int]]] = {
    "ok": lambda ids: ids[1:3],
    "ignored": lambda ids: ids,
    "omit": lambda ids: ids[2:3],
    "extra": lambda ids: [*ids[1:3], ids[0]],
    "reorder": lambda ids: ids[2:0:-1],
}


@pytest.mark.parametrize("mode", IDS)
async def test_the_ids_filter_can_be_wrong(api: Any, shop: ShopHandle, mode: Any) -> None:
    ids = [shop.create() for _ in range(4)]
    shop.faults.ids_mode = mode

    assert await api.ids(f"{LIST}?ids={ids[1]},{ids[2]}") == IDS[mode](ids)


async def test_lists_can_lag_behind_single_reads(api: Any, shop: ShopHandle, clock: Clock) -> None:
    old, gone = shop.create(note="cũ"), shop.create()
    clock.advance(60)
    shop.faults.lag_s = 5.0
    shop.edit(old, note="mới")
    new = shop.create()
    shop.delete(gone)

    lagging = await api("GET", f"{LIST}?fields=id,note")
    by_ids = await api("GET", f"{LIST}?ids={old}&fields=note")
    since = await api("GET", f"{LIST}?updated_at_min=2025-06-02T02:00:30Z")
    single = await api("GET", f"/com/customers/{old}.json?fields=note")
    clock.advance(5.1)
    caught_up = await api.ids(LIST)

    assert lagging.json == {"customers": [{"id": old, "note": "cũ"}, {"id": gone, "note": None}]}
    assert by_ids.json == {"customers": [{"note": "cũ"}]}
    assert since.json == {"customers": []}
    assert single.json == {"customer": {"note": "mới"}}
    assert caught_up == [old, new]


async def test_answers_can_lack_fields_or_show_them_as_null(api: Any, shop: ShopHandle) -> None:
    customer = shop.create(total_spent=5, note="x")
    shop.faults.null_fields = frozenset({"total_spent"})
    shop.faults.missing_fields = frozenset({"note"})

    response = await api("GET", f"/com/customers/{customer}.json?fields=id,total_spent,note")

    assert response.json == {"customer": {"id": customer, "total_spent": None}}


async def test_reads_can_cut_updated_at_to_milliseconds(api: Any, shop: ShopHandle, clock: Clock) -> None:
    customer = shop.create(updated_at="2021-08-18T06:23:19.5536467Z")
    shop.faults.coarse_updated_at = True

    response = await api("GET", f"/com/customers/{customer}.json?fields=updated_at")

    assert response.json == {"customer": {"updated_at": "2021-08-18T06:23:19.553Z"}}


async def test_latency_delays_an_answer(api: Any, shop: ShopHandle) -> None:
    shop.faults.latency_s = 0.4
    soon = aiohttp.ClientTimeout(total=0.05)

    with pytest.raises(TimeoutError):
        await api("GET", LIST, timeout=soon)


async def test_calls_do_not_wait_for_a_slow_one(api: Any, shop: ShopHandle) -> None:
    shop.faults.timeout(60)
    slow = asyncio.create_task(api("GET", "/com/shop.json"))
    await until_struck(shop)

    assert (await api("GET", LIST)).status == 200

    slow.cancel()


async def test_clear_turns_everything_off(api: Any, shop: ShopHandle) -> None:
    faults = shop.faults
    faults.fail(rate=1.0)
    faults.latency_s, faults.lag_s, faults.ids_mode, faults.tag_spelling = 60.0, 60.0, "omit", "lower"

    faults.clear()

    assert faults == Faults(rng=faults.rng)
    assert (await api("GET", LIST)).status == 200
