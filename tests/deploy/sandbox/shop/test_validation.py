"""Create, update, delete and tag requests: what is stored, ignored and rejected."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.sandbox import Clock, ShopHandle

_TAKEN = ["has already been taken"]

REFUSED = {
    "no name and no e-mail": (
        {"email": None, "first_name": None, "last_name": ""},
        422,
        {"base": ["Customer must have a name or email address"]},
    ),
    "a phone alone": ({"phone": "0900000009"}, 422, {"base": ["Customer must have a name or email address"]}),
    "an e-mail that another has": ({"email": "AN@example.com"}, 422, {"email": _TAKEN}),
    "a phone that another has": ({"first_name": "B", "phone": "0900000001"}, 422, {"phone": _TAKEN}),
    "the same phone from abroad": ({"first_name": "B", "phone": "+84 900 000 001"}, 422, {"phone": _TAKEN}),
    "a name that is not a string": ({"first_name": 7}, 422, {"first_name": ["is not a string"]}),
    "a gender out of range": ({"first_name": "B", "gender": 2}, 422, {"gender": ["is not null, 0 or 1"]}),
    "a birthday that is no date": (
        {"first_name": "B", "birthday": "x"},
        422,
        {"birthday": ["is not a date"]},
    ),
    "tags that are a list": ({"first_name": "B", "tags": ["VIP"]}, 422, {"tags": ["is not a string"]}),
    "marketing that is a word": (
        {"first_name": "B", "accepts_marketing": "maybe"},
        422,
        {"accepts_marketing": ["is neither true nor false"]},
    ),
    "a customer that is a list": ([], 400, {"customer": ["Required parameter missing or invalid"]}),
}


@pytest.mark.parametrize("api_path", ["/com", "/admin"])
@pytest.mark.parametrize(("fields", "status", "errors"), REFUSED.values(), ids=REFUSED)
async def test_an_invalid_customer_is_rejected(
    api: Any, shop: ShopHandle, api_path: str, fields: Any, status: int, errors: Any
) -> None:
    shop.create(first_name="An", email="an@example.com", phone="0900000001")

    response = await api("POST", f"{api_path}/customers.json", {"customer": fields})

    assert (response.status, response.json) == (status, {"errors": errors})
    assert len(shop.ids()) == 1


BODIES: dict[str, Any] = {"no body": None, "another key": {"person": {}}}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_without_a_customer_is_a_bad_request(api: Any, body: Any) -> None:
    assert (await api("POST", "/com/customers.json", body)).status == 400


async def test_a_metafield_out_of_bounds_is_refused(api: Any) -> None:
    field = {"namespace": "global", "key": "k" * 31, "value": "x", "value_type": "string"}

    response = await api(
        "POST", "/admin/customers.json", {"customer": {"first_name": "B", "metafields": [field]}}
    )

    assert response.status == 422
    assert "metafields" in response.json["errors"]


async def test_metafields_are_kept_one_for_each_key(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()

    for value in ("one", "two"):
        field = {"namespace": "global", "key": "new", "value": value, "value_type": "string"}
        await api("PUT", f"/admin/customers/{customer}.json", {"customer": {"metafields": [field]}})

    assert [field.value for field in shop.metafields(customer)] == ["two"]


async def test_a_new_customer_can_be_read_back_by_either_api(api: Any) -> None:
    fields = {
        "first_name": "Ánh",
        "last_name": "Nguyễn Thị",
        "email": "anh@example.com",
        "tags": " VIP , Khách sỉ,VIP,",
        "gender": 0,
        "birthday": "1990-06-01",
        "accepts_marketing": True,
        "note": "Khách quen",
    }
    made = (await api("POST", "/com/customers.json", {"customer": fields})).json["customer"]

    omni = (await api("GET", f"/com/customers/{made['id']}.json")).json["customer"]
    older = (await api("GET", f"/admin/customers/{made['id']}.json")).json["customer"]

    assert (omni["tags"], older["tags"]) == ("VIP,Khách sỉ", "VIP, Khách sỉ")
    assert omni["birthday"] == "1990-05-31T17:00:00Z"
    assert (omni["gender"], omni["accepts_marketing"], omni["note"]) == (0, True, "Khách quen")
    assert (omni["created_at"], older["created_at"]) == ("2025-06-02T02:00:00Z", "2025-06-02T09:00:00+07:00")
    assert (omni["state"], older["state"]) == ("Enabled", "enabled")


async def test_a_second_read_of_money_shows_four_decimals(api: Any) -> None:
    made = await api("POST", "/com/customers.json", {"customer": {"first_name": "Ánh"}})

    read = await api("GET", f"/com/customers/{made.json['customer']['id']}.json")

    assert '"total_spent":0.0,' in made.text
    assert '"total_spent":0.0000,' in read.text


async def test_read_only_fields_are_ignored(api: Any, shop: ShopHandle) -> None:
    customer = shop.create(total_spent=5)
    fields = {"total_spent": 1, "orders_count": 9, "state": "enabled", "id": 1, "created_at": "2000-01-01"}

    await api("PUT", f"/com/customers/{customer}.json", {"customer": fields})

    record = shop.customer(customer)
    assert (record["total_spent"], record["orders_count"], record["state"]) == (5, 0, "Disabled")


async def test_an_update_moves_updated_at_and_nothing_else(api: Any, shop: ShopHandle, clock: Clock) -> None:
    customer = shop.create(province="Hà Nội", tags="VIP")
    before = shop.customer(customer)
    clock.advance(60)

    await api("PUT", f"/com/customers/{customer}.json", {"customer": {"note": "mới"}})

    after = shop.customer(customer)
    assert after["updated_at"] > before["updated_at"]
    assert after | {"updated_at": 0, "note": 0} == before | {"updated_at": 0, "note": 0}


async def test_a_customer_may_keep_its_own_email_and_phone(api: Any, shop: ShopHandle) -> None:
    customer = shop.create(email="an@example.com", phone="0900000001")
    fields = {"email": "an@example.com", "phone": "0900000001"}

    assert (await api("PUT", f"/com/customers/{customer}.json", {"customer": fields})).status == 200


async def test_an_email_is_free_again_once_its_owner_changed_it(api: Any, shop: ShopHandle) -> None:
    owner = shop.create(email="an@example.com")
    shop.edit(owner, email="khac@example.com")

    response = await api("POST", "/com/customers.json", {"customer": {"email": "an@example.com"}})

    assert response.status == 201


async def test_a_customer_with_orders_cannot_be_deleted(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    shop.order(customer, 100_000)

    response = await api("DELETE", f"/com/customers/{customer}.json")

    assert response.status == 422
    assert response.json == {
        "errors": {"base": ["Customer can't be deleted because they have existing orders"]}
    }


@pytest.mark.parametrize(("path", "body"), [("/com", "[]"), ("/admin", "{}")], ids=["Omni", "admin"])
async def test_a_deleted_customer_is_gone(api: Any, shop: ShopHandle, path: str, body: str) -> None:
    customer = shop.create()

    assert (await api("DELETE", f"{path}/customers/{customer}.json")).text == body
    assert (await api("GET", f"{path}/customers/{customer}.json")).status == 404
    assert (await api("DELETE", f"{path}/customers/{customer}.json")).status == 404


UNKNOWN = {
    "read": ("GET", "/com/customers/7.json", None),
    "update": ("PUT", "/com/customers/7.json", {"customer": {"note": "x"}}),
    "tag": ("POST", "/com/customers/7/tags.json", {"tags": "x"}),
    "untag": ("DELETE", "/com/customers/7/tags.json", {"tags": "x"}),
    "read by the admin API": ("GET", "/admin/customers/7.json", None),
}


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN.values(), ids=UNKNOWN)
async def test_an_unknown_id_is_not_found(api: Any, method: str, path: str, body: Any) -> None:
    response = await api(method, path, body)

    assert (response.status, response.json) == (404, {"errors": "Not Found"})


TAGS = {
    "added at the end": ("POST", "a1,a2", "VIP,Khách sỉ,a1,a2"),
    "added once": ("POST", "VIP,VIP", "VIP,Khách sỉ"),
    "added without spaces": ("POST", " a1 , a2 ", "VIP,Khách sỉ,a1,a2"),
    "removed": ("DELETE", "VIP", "Khách sỉ"),
    "removed though never there": ("DELETE", "x", "VIP,Khách sỉ"),
    "removed altogether": ("DELETE", "VIP,Khách sỉ", None),
    "removed by another case: stays": ("DELETE", "vip", "VIP,Khách sỉ"),
}


@pytest.mark.parametrize(("method", "tags", "wanted"), TAGS.values(), ids=TAGS)
async def test_a_tag_write_answers_the_whole_list(
    api: Any, shop: ShopHandle, method: str, tags: str, wanted: str | None
) -> None:
    customer = shop.create(tags="VIP,Khách sỉ")

    response = await api(method, f"/com/customers/{customer}/tags.json", {"tags": tags})

    assert (response.status, response.json) == (200, {"tags": wanted})
    assert shop.tags(customer) == set((wanted or "").split(",")) - {""}


@pytest.mark.parametrize("tags", ["", " , ", None, ["VIP"]], ids=["empty", "commas", "null", "a list"])
async def test_no_tags_are_refused(api: Any, shop: ShopHandle, tags: Any) -> None:
    response = await api("POST", f"/com/customers/{shop.create()}/tags.json", {"tags": tags})

    assert (response.status, response.json) == (422, {"errors": {"tags": ["can't be blank"]}})


ADDRESSES = {
    "codes get their names": (
        {"country_code": "VN", "province_code": "HI", "district_code": "HI5", "ward_code": "00166"},
        ("Vietnam", "Hà Nội", "Cầu Giấy", "Phường Dịch Vọng"),
    ),
    "names get their codes": (
        {"country": "Vietnam", "province": "hà nội"},
        ("Vietnam", "Hà Nội", None, None),
    ),
    "what no table knows stays": ({"country": "Vietnam", "province": "Xa"}, ("Vietnam", "Xa", None, None)),
    "Kentucky": ({"country": "US", "province": "KY"}, ("United States", "Kentucky", None, None)),
}


@pytest.mark.parametrize(("given", "names"), ADDRESSES.values(), ids=ADDRESSES)
async def test_an_address_is_completed(api: Any, given: dict[str, str], names: tuple[str, ...]) -> None:
    response = await api(
        "POST", "/com/customers.json", {"customer": {"first_name": "Ánh", "addresses": [given]}}
    )

    address = response.json["customer"]["default_address"]
    assert tuple(address[level] for level in ("country", "province", "district", "ward")) == names


async def test_ten_addresses_are_kept_and_one_is_the_default(api: Any) -> None:
    homes = [{"address1": str(number), "default": number == 3} for number in range(12)]

    response = await api(
        "POST", "/com/customers.json", {"customer": {"first_name": "Ánh", "addresses": homes}}
    )

    made = response.json["customer"]
    assert len(made["addresses"]) == 10
    assert made["default_address"]["address1"] == "3"
