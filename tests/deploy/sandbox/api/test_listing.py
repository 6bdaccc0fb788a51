"""Lists, counts and searches: every documented parameter, and the response to wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.sandbox import Clock, ShopHandle


@pytest.fixture
def people(shop: ShopHandle) -> list[int]:
    """Five customers, made a day apart: 1 to 5 June 2025, 09:00 in Việt Nam; updated a month later each."""
    return [
        shop.create(
            id=number,
            first_name=f"Người {number}",
            created_at=f"2025-06-0{number}T02:00:00Z",
            updated_at=f"2025-07-0{number}T02:00:00Z",
        )
        for number in (1, 2, 3, 4, 5)
    ]


FILTERS = {
    "everything": ("", [1, 2, 3, 4, 5]),
    "by ids, in ascending order": ("ids=4,2", [2, 4]),
    "by ids, one of them unknown": ("ids=2,99", [2]),
    "by ids, one of them not a number": ("ids=2,x", [2]),
    "after an id": ("since_id=3", [4, 5]),
    "after the last id": ("since_id=5", []),
    "created at or after": ("created_at_min=2025-06-03T02:00:00Z", [3, 4, 5]),
    "created at or before": ("created_at_max=2025-06-03T02:00:00Z", [1, 2, 3]),
    "created within": ("created_at_min=2025-06-02&created_at_max=2025-06-04", [2, 3]),
    "updated at or after": ("updated_at_min=2025-07-04T02:00:00Z", [4, 5]),
    "updated at or before": ("updated_at_max=2025-07-02T02:00:00Z", [1, 2]),
    "updated within": ("updated_at_min=2025-07-02T00:00:00Z&updated_at_max=2025-07-03T23:00:00Z", [2, 3]),
    "updated since, after an id": ("updated_at_min=2025-07-02T00:00:00Z&since_id=3", [4, 5]),
    "a date with an offset": ("updated_at_min=2025-07-04T09:00:00%2B07:00", [4, 5]),
    "a date without an offset is the shop's": ("updated_at_min=2025-07-04 09:00", [4, 5]),
    "a page": ("limit=2&page=2", [3, 4]),
    "the last page, short": ("limit=2&page=3", [5]),
    "beyond the end": ("limit=2&page=4", []),
    "a page of a filter": ("updated_at_min=2025-07-02T00:00:00Z&limit=2&page=2", [4, 5]),
    "a page after an id": ("since_id=1&limit=2&page=2", [4, 5]),
    "a limit that is no number": ("limit=x", [1, 2, 3, 4, 5]),
    "a page that is no number": ("limit=2&page=-1", [1, 2]),
}


@pytest.mark.parametrize(("query", "wanted"), FILTERS.values(), ids=FILTERS)
async def test_a_list_contains_the_requested_customers(
    api: Any, people: list[int], query: str, wanted: list[int]
) -> None:
    assert await api.ids(f"/com/customers.json?{query}") == wanted


async def test_the_older_api_knows_no_ids_filter(api: Any, people: list[int]) -> None:
    assert await api.ids("/admin/customers.json?ids=2") == people


async def test_a_count_counts_what_a_list_would_show(api: Any, people: list[int]) -> None:
    response = await api("GET", "/com/customers/count.json?updated_at_min=2025-07-03T00:00:00Z")

    assert response.json == {"count": 3}


LIMITS = {
    "Omni by default": ("/com/customers.json", 50),
    "Omni clamps": ("/com/customers.json?limit=250", 50),
    "admin by default": ("/admin/customers.json", 50),
    "admin at most": ("/admin/customers.json?limit=1000", 250),
}


@pytest.mark.parametrize(("path", "length"), LIMITS.values(), ids=LIMITS)
async def test_a_list_has_a_maximum_length(api: Any, shop: ShopHandle, path: str, length: int) -> None:
    shop.populate(260)

    assert len(await api.ids(path)) == length


async def test_only_the_fields_asked_for_are_shown_in_the_record_s_order(api: Any, people: list[int]) -> None:
    response = await api("GET", "/com/customers.json?ids=1&fields=tags,id,nothing")

    assert response.text == '{"customers":[{"id":1,"tags":null}]}'


async def test_a_blank_filter_returns_arbitrary_records(api: Any, people: list[int]) -> None:
    ids = await api.ids("/com/customers.json?ids=")

    assert sorted(ids) == people
    assert ids != people


async def test_a_bad_date_is_rejected_with_a_hint_about_plus_signs(api: Any, people: list[int]) -> None:
    response = await api("GET", "/com/customers.json?updated_at_min=nonsense")

    assert response.status == 422
    assert response.json == {
        "errors": {"updated_at_min": ["is not a date (a + in a URL must be sent as %2B)"]}
    }


async def test_paging_by_since_id_returns_every_customer_once(api: Any, shop: ShopHandle) -> None:
    shop.populate(120)
    met: list[int] = []

    while page := await api.ids(f"/com/customers.json?limit=50&since_id={met[-1] if met else 0}"):
        met += page

    assert met == shop.ids()


SEARCHES = {
    "a name": ("query=ánh", [1]),
    "without its marks": ("query=nguyen anh", [1]),
    "đ without its stroke": ("query=dinh", [2]),
    "an e-mail": ("query=khoi@example.com", [2]),
    "a phone": ("query=0900000001", [1]),
    "a tag": ("query=vip", [2]),
    "a province": ("query=Hà Nội", [1]),
    "nobody": ("query=zzz", []),
    "latest buyers first": ("query=example.com", [2, 1, 3]),
    "by another field": ("query=example.com&order=created_at ASC", [1, 2, 3]),
    "downwards": ("query=example.com&order=id DESC", [3, 2, 1]),
    "created since": ("query=example.com&created_at_min=2025-06-02", [2, 3]),
    "a page": ("query=example.com&limit=1&page=2", [1]),
}


@pytest.mark.parametrize(("query", "wanted"), SEARCHES.values(), ids=SEARCHES)
async def test_a_search_finds_by_any_text(api: Any, shop: ShopHandle, query: str, wanted: list[int]) -> None:
    made = {"email": "a@example.com", "created_at": "2025-06-01T00:00:00Z", "last_order_date": "2025-06-01"}
    shop.create(id=1, last_name="Nguyễn", first_name="Ánh", phone="0900000001", province="Hà Nội", **made)
    made = {
        "email": "khoi@example.com",
        "created_at": "2025-06-02T00:00:00Z",
        "last_order_date": "2025-06-02",
    }
    shop.create(id=2, first_name="Đình Khôi", tags="VIP", **made)
    shop.create(id=3, first_name="Mới", email="moi@example.com", created_at="2025-06-03T00:00:00Z")

    assert await api.ids(f"/com/customers/search.json?{query}") == wanted


async def test_a_search_by_an_unknown_field_is_refused(api: Any, people: list[int]) -> None:
    response = await api("GET", "/com/customers/search.json?order=nothing")

    assert (response.status, response.json) == (422, {"errors": {"order": ["cannot order by nothing"]}})


async def test_a_search_finds_what_was_changed_since_the_last_one(api: Any, shop: ShopHandle) -> None:
    customer = shop.create(first_name="Ánh")
    await api.ids("/com/customers/search.json?query=Bích")

    shop.edit(customer, first_name="Bích")

    assert await api.ids("/com/customers/search.json?query=Bích") == [customer]
    assert await api.ids("/com/customers/search.json?query=Ánh") == []


async def test_orders_are_listed_for_their_customer_alone(api: Any, shop: ShopHandle, clock: Clock) -> None:
    buyer, other = shop.create(), shop.create()
    first = shop.order(buyer, 100_000)
    clock.advance(60)
    second = shop.order(buyer, 200_000)
    shop.order(other, 300_000)

    response = await api("GET", f"/admin/orders.json?customer_id={buyer}")

    assert [order["id"] for order in response.json["orders"]] == [first, second]
    assert {order["customer"]["id"] for order in response.json["orders"]} == {buyer}


async def test_the_shop_says_who_it_is(api: Any) -> None:
    response = await api("GET", "/com/shop.json")

    shop = {
        "id": 1000000001,
        "name": "Cửa hàng 1000000001",
        "timezone": "Asia/Ho_Chi_Minh",
        "currency": "VND",
    }
    assert response.json == {"shop": shop}


async def test_the_shop_s_own_endpoint_can_be_switched_off(api: Any, shop: ShopHandle) -> None:
    shop.shop.shop_endpoint = False

    assert (await api("GET", "/com/shop.json")).status == 404
