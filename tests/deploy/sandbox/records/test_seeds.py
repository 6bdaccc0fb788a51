"""Every example of the two API documents: the same request gets the same response."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.sandbox import Clock, Sandbox, ShopHandle

SEEDS = Path(__file__).parents[3] / "payloads" / "seeds"
EXAMPLES = {example["name"]: example for example in json.loads((SEEDS / "examples.json").read_text())}

_HOME = {
    "id": 1058135354,
    "address1": "182 Lê Đại Hành",
    "country_code": "vn",
    "country": "Vietnam",
    "first_name": "Haravan Demo",
    "zip": "70000",
    "province_code": "HC",
    "district_code": "HC476",
    "ward_code": "27208",
}
_HARAVAN = {
    "id": 1037889951,
    "first_name": "Haravan Demo",
    "email": "hello@haravan.com",
    "created_at": "2020-10-22T03:37:03.796Z",
    "updated_at": "2020-10-22T03:37:09Z",
    "last_order_id": 1146065300,
    "last_order_name": "#100027",
    "last_order_date": "2020-10-23T07:37:04Z",
    "orders_count": 28,
    "total_spent": 261_380_000,
    "addresses": [_HOME],
}
_BOB = {
    "id": 207119551,
    "first_name": "Bob",
    "last_name": "Norman",
    "email": "bob.norman@hostmail.com",
    "created_at": "2015-03-28T13:28:28-04:00",
    "updated_at": "2015-03-28T13:28:28-04:00",
    "last_order_id": 450789469,
    "last_order_name": "#1001",
    "orders_count": 1,
    "total_spent": "41.94",
    "verified_email": True,
    "addresses": [
        {
            "id": 207119551,
            "address1": "Chestnut Street 92",
            "address2": "",
            "city": "Louisville",
            "country": "United States",
            "phone": "555-625-1199",
            "province": "Kentucky",
            "zip": "40202",
        }
    ],
}
_STEVE = {
    "id": 1018520252,
    "first_name": "Steve",
    "last_name": "Lastnameson",
    "email": "steve.lastnameson@example.com",
    "created_at": "2015-03-28T13:28:34-04:00",
    "updated_at": "2015-03-28T13:28:34-04:00",
    "verified_email": True,
    "addresses": [
        {
            "id": 1053317301,
            "address1": "123 Oak St",
            "city": "Ottawa",
            "country": "CA",
            "province": "ON",
            "first_name": "Mother",
            "last_name": "Lastnameson",
            "phone": "555-1212",
            "zip": "123 ABC",
        }
    ],
}
_NEW = {
    "id": 1050764416,
    "first_name": "New",
    "last_name": "Haravan",
    "email": "new.haravan@example.com",
    "phone": "04142546011",
    "state": "enabled",
    "created_at": "2021-08-18T06:18:27.4880706Z",
    "addresses": [_HOME | {"id": 1084464836, "first_name": "New", "last_name": "Haravan"}],
}


@pytest.fixture
def clock() -> Clock:
    return Clock.frozen("2021-08-18T06:23:19.553646+00:00")


@pytest.fixture
def shop(sandbox: Sandbox, request: pytest.FixtureRequest) -> ShopHandle:
    """A Vietnamese shop for the Omni examples, one in New York for the older ones, as their offsets tell."""
    older = "admin" in request.node.name or "order" in request.node.name
    return sandbox.add_shop(timezone="America/New_York" if older else "Asia/Ho_Chi_Minh")


def _given(name: str, shop: ShopHandle) -> None:
    """The customers whom the example takes for granted."""
    if name.startswith("omni") and not name.startswith("omni-create"):
        shop.create(**_HARAVAN)
    if name in {"omni-update", "omni-delete", "omni-add-tags", "omni-delete-tags"}:
        tags = {"omni-add-tags": "VIP", "omni-delete-tags": "VIP,a1,a2"}.get(name)
        shop.create(**_NEW, tags=tags)
    if name == "omni-groups":
        shop.add_group("test")
    if name.startswith("admin") and not name.startswith("admin-create"):
        shop.create(**_BOB | ({"orders_count": 0} if name == "admin-delete" else {}))
    if name == "admin-list-since-id":
        shop.create(**_STEVE)


def _literal(pairs: list[tuple[str, Any]], *, loose: frozenset[str]) -> list[tuple[str, Any]]:
    return [(key, _kind(value) if key in loose else value) for key, value in pairs]


def _kind(value: Any) -> Any:
    """What an assigned value looks like: digits become 9, a fraction of a second any number of them."""
    if not isinstance(value, str):
        return value
    return re.sub(r"\d", "9", re.sub(r"\.\d{1,7}Z", "Z", value))


def _read(text: str, loose: frozenset[str]) -> Any:
    """JSON with its order of keys and its number literals kept."""
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: _literal(pairs, loose=loose),
        parse_float=lambda digits: f"number {digits}",
        parse_int=lambda digits: f"number {digits}",
    )


_ASSIGNED = frozenset({"id", "created_at", "updated_at"})
_TO_THE_BYTE = ("omni-list-page", "omni-list-updated-at-max", "omni-search", "omni-get", "admin-list")


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != "admin-orders"])
async def test_an_example_request_gets_the_example_answer(name: str, shop: ShopHandle, api: Any) -> None:
    example = EXAMPLES[name]
    _given(name, shop)

    response = await api(example["method"], example["path"], example["request"])

    assert response.status == example["status"]
    if example["answer"]:
        loose = frozenset[str]() if name in _TO_THE_BYTE else _ASSIGNED
        assert _read(response.text, loose) == _read((SEEDS / f"{name}.json").read_text(), loose)


async def test_a_count_is_a_number_under_its_name(shop: ShopHandle, api: Any) -> None:
    shop.create(**_HARAVAN)

    response = await api("GET", "/com/customers/count.json")

    assert response.text == '{"count":1}'


async def test_an_order_has_the_example_order_s_shape(api: Any, shop: ShopHandle) -> None:
    shop.create(**_BOB | {"orders_count": 0, "total_spent": 0, "last_order_id": None})
    shop.order(207119551, "409.94", at="2008-01-10T11:00:00-05:00")
    shop.refund(207119551, "209.00")

    response = await api("GET", EXAMPLES["admin-orders"]["path"])

    wanted = json.loads((SEEDS / "admin-orders.json").read_text())
    assert response.json["orders"][0]["total_price"] == "409.94"
    assert response.json["orders"][0]["created_at"] == "2008-01-10T11:00:00-05:00"
    assert list(_unlike(response.json, wanted)) == []


def _unlike(ours: Any, theirs: Any, where: str = "") -> Any:
    """Where the two differ in keys, their order, or kind of value; null and empty lists say nothing."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if list(ours) != list(theirs):
            yield f"{where}: {set(ours) ^ set(theirs) or 'another order'}"
        for key in ours.keys() & theirs.keys():
            yield from _unlike(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list):
        if ours and theirs:
            yield from _unlike(ours[0], theirs[0], f"{where}[0]")
    elif ours is not None and theirs is not None and _form(ours) != _form(theirs):
        yield f"{where}: {ours!r} is not like {theirs!r}"


_FORMS: tuple[tuple[str, Callable[[str], Any]], ...] = (
    ("amount", re.compile(r"\d+\.\d\d").fullmatch),
    ("moment", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d").fullmatch),
)


def _form(value: Any) -> str:
    if isinstance(value, str):
        return next((name for name, test in _FORMS if test(value)), "text")
    return type(value).__name__


def test_the_new_york_winter_offset_is_five_hours() -> None:
    from deploy.sandbox.records import timestamps

    zone = ZoneInfo("America/New_York")

    assert (
        timestamps.format_admin(timestamps.parse("2008-01-10T16:00:00Z", zone), zone)
        == "2008-01-10T11:00:00-05:00"
    )
