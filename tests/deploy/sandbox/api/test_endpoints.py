"""Every endpoint of the two API documents is served, and all that the PyPI client `haravan` calls for customers."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.sandbox import ShopHandle
from deploy.sandbox.api import ADMIN, OMNI, subscription
from deploy.sandbox.call_log import ENDPOINTS
from deploy.sandbox.webhooks import WebhookSession

DOCUMENTED = (
    ("GET", "/com/customers.json"),
    ("GET", "/com/customers/search.json?query=haravan"),
    ("GET", "/com/customers/count.json"),
    ("GET", "/com/customers/7.json"),
    ("POST", "/com/customers.json"),
    ("PUT", "/com/customers/7.json"),
    ("POST", "/com/customers/7/tags.json"),
    ("DELETE", "/com/customers/7/tags.json"),
    ("GET", "/com/customers/groups.json"),
    ("DELETE", "/com/customers/7.json"),
    ("GET", "/admin/customers.json"),
    ("GET", "/admin/customers/7.json"),
    ("POST", "/admin/customers.json"),
    ("PUT", "/admin/customers/7.json"),
    ("GET", "/admin/customers/count.json"),
    ("GET", "/admin/orders.json?customer_id=7"),
    ("DELETE", "/admin/customers/7.json"),
)
"""Omni seed: What you can do with Customer; admin seed: Endpoints."""

BODIES: dict[str, Any] = {"customers": {"customer": {"first_name": "A"}}, "tags": {"tags": "VIP"}}


@pytest.mark.parametrize(("method", "path"), DOCUMENTED)
async def test_an_endpoint_of_the_documents_is_served(
    api: Any, shop: ShopHandle, method: str, path: str
) -> None:
    shop.create(id=7)
    body = BODIES["tags" if "tags.json" in path else "customers"] if method in {"POST", "PUT"} else None

    assert (await api(method, path, body if "tags" not in path else BODIES["tags"])).status in {200, 201}


def test_every_endpoint_has_a_name_by_which_faults_find_it() -> None:
    served = {endpoint.name for endpoint in (*OMNI, *ADMIN, *subscription.endpoints(WebhookSession()))}

    assert served == set(ENDPOINTS)


async def test_the_older_api_searches_too(api: Any, shop: ShopHandle) -> None:
    ids = [shop.create(first_name=name) for name in ("Ánh", "Bình", "Ánh Tuyết")]

    found = [await api.ids(f"/admin/customers/search.json?{key}=anh&order=id+ASC") for key in ("query", "q")]
    page = await api.ids("/admin/customers/search.json?query=anh&order=id+ASC&limit=1&page=2")

    assert found == [[ids[0], ids[2]]] * 2
    assert page == [ids[2]]


async def test_metafields_are_created_read_changed_and_deleted(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    path = f"/admin/customers/{customer}/metafields"
    given = {"namespace": "crm", "key": "points", "value": "12", "value_type": "integer"}

    made = await api("POST", f"{path}.json", {"metafield": given})
    number = made.json["metafield"]["id"]
    changed = await api("PUT", f"{path}/{number}.json", {"metafield": {"id": number, "value": 13}})
    read = await api("GET", f"{path}/{number}.json")
    listed = await api("GET", f"{path}.json")
    counted = await api("GET", f"{path}/count.json")
    deleted = await api("DELETE", f"{path}/{number}.json")

    assert (made.status, made.json["metafield"]["value"], made.json["metafield"]["owner_id"]) == (
        201,
        12,
        customer,
    )
    assert (changed.json["metafield"]["value"], changed.json["metafield"]["key"]) == (13, "points")
    assert read.json == changed.json
    assert listed.json == {"metafields": [read.json["metafield"]]}
    assert (counted.json, deleted.json) == ({"count": 1}, {})
    assert (await api("GET", f"{path}/{number}.json")).status == 404
    assert shop.metafields(customer) == ()


BAD_METAFIELDS: dict[str, Any] = {
    "no object": 5,
    "no key": {"namespace": "crm", "value": "x", "value_type": "string"},
    "a long namespace": {"namespace": "n" * 21, "key": "k", "value": "x", "value_type": "string"},
    "another type": {"namespace": "crm", "key": "k", "value": "x", "value_type": "json"},
    "no integer": {"namespace": "crm", "key": "k", "value": "x", "value_type": "integer"},
    "no value": {"namespace": "crm", "key": "k", "value": None, "value_type": "string"},
    "a digit that is none": {"namespace": "crm", "key": "k", "value": "9" * 5_000, "value_type": "integer"},
}


@pytest.mark.parametrize("given", BAD_METAFIELDS.values(), ids=BAD_METAFIELDS)
async def test_a_bad_metafield_is_refused(api: Any, shop: ShopHandle, given: Any) -> None:
    customer = shop.create()

    response = await api("POST", f"/admin/customers/{customer}/metafields.json", {"metafield": given})

    assert (response.status, shop.metafields(customer)) == (422, ())


async def test_a_metafield_changes_nothing_of_the_record(api: Any, shop: ShopHandle) -> None:
    customer = shop.create()
    before = shop.body(customer)
    field = {"namespace": "crm", "key": "k", "value": "x", "value_type": "string"}

    await api("POST", f"/admin/customers/{customer}/metafields.json", {"metafield": field})

    assert shop.body(customer) == before


async def test_orders_and_addresses_of_a_customer(api: Any, shop: ShopHandle) -> None:
    customer, other = shop.create(province="Hà Nội"), shop.create()
    order = shop.order(customer, 100_000)
    shop.order(other, 1)
    path = f"/admin/customers/{customer}"

    orders = (await api("GET", f"{path}/orders.json")).json["orders"]
    addresses = (await api("GET", f"{path}/addresses.json")).json["addresses"]
    address = await api("GET", f"{path}/addresses/{addresses[0]['id']}.json")
    omni = (await api("GET", f"/com/customers/{customer}/addresses.json")).json["addresses"]

    assert [item["id"] for item in orders] == [order]
    assert [item["province"] for item in (*addresses, *omni)] == ["Hà Nội"] * 2
    assert address.json == {"customer_address": addresses[0]}


MISSING = (
    "/", "/com", "/com/", "/com/customers", "/com/customers.json/", "/com/customers/x.json", "/com/nothing.json",
    "/com/customers/7.json", "/com/customers/7/tags.json", "/com/customers/7/addresses.json", "/com/orders.json",
    "/admin/customers/7/metafields.json", "/admin/customers/7/metafields/1.json", "/admin/customers/7/orders.json",
    "/admin/shop.json", "/api/nothing", "/_sandbox/x", "/_sandbox/a/b/c", "/favicon.ico",
)  # fmt: skip


@pytest.mark.parametrize("path", MISSING)
async def test_what_is_not_there_is_said_in_json(api: Any, shop: ShopHandle, path: str) -> None:
    response = await api("GET", path)

    assert response.status in {404, 405}
    assert response.json.keys() <= {"errors", "error"}


async def test_another_method_is_refused_in_json(api: Any, shop: ShopHandle) -> None:
    response = await api("PATCH", "/com/customers.json")

    assert (response.status, response.json) == (405, {"errors": "Method Not Allowed"})


async def test_the_control_api_is_found_without_its_slash(api: Any, shop: ShopHandle) -> None:
    assert (await api("GET", "/_sandbox")).json == (await api("GET", "/_sandbox/")).json


@pytest.mark.parametrize("number", ["²", "9" * 30, "-1", "x"])
async def test_a_number_that_is_none_is_ignored(api: Any, shop: ShopHandle, number: str) -> None:
    customer = shop.create()

    for name in ("ids", "since_id", "limit", "page"):
        assert (await api("GET", f"/com/customers.json?{name}={number}")).json["customers"][0][
            "id"
        ] == customer
