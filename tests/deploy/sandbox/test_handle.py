"""The handle: made-up customers, orders, refunds and edits."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from deploy.sandbox import Clock, NotFound, Refused, Sandbox, ShopHandle


def test_the_same_seed_makes_the_same_customers(clock: Clock) -> None:
    first, second = (Sandbox(clock=clock).add_shop() for _ in range(2))

    assert first.populate(50, seed=7) == second.populate(50, seed=7)
    assert [first.body(number) for number in first.ids()] == [second.body(number) for number in second.ids()]


def test_another_seed_makes_others(clock: Clock) -> None:
    first, second = (Sandbox(clock=clock).add_shop() for _ in range(2))
    first.populate(5, seed=1)
    second.populate(5, seed=2)

    assert [first.body(number) for number in first.ids()] != [second.body(number) for number in second.ids()]


def test_made_up_customers_are_not_real_people(shop: ShopHandle) -> None:
    shop.populate(300)
    records = [shop.customer(number) for number in shop.ids()]

    assert all(re.fullmatch(r"09\d{8}", record["phone"]) for record in records if record["phone"])
    assert all(record["email"].endswith("@example.com") for record in records if record["email"])
    assert all(record["email"].isascii() for record in records if record["email"])
    assert len({record["email"] for record in records if record["email"]}) > 200


def test_made_up_customers_are_diverse(shop: ShopHandle) -> None:
    shop.populate(300)
    records = [shop.customer(number) for number in shop.ids()]

    assert {record["gender"] for record in records} == {0, 1, None}
    assert {bool(record["orders_count"]) for record in records} == {True, False}
    assert {bool(record["default_address"]) for record in records} == {True, False}
    assert {bool(record["birthday"]) for record in records} == {True, False}
    assert {bool(record["tags"]) for record in records} == {True, False}
    assert max(record["total_spent"] for record in records) > 10_000_000
    assert "Hồ Chí Minh" in {(record["default_address"] or {}).get("province") for record in records}


def test_made_up_totals_are_the_sum_of_their_orders(shop: ShopHandle) -> None:
    shop.populate(100)

    for number in shop.ids():
        customer = shop.shop.store.get(number)
        assert customer is not None
        assert customer.total_spent == sum(order.amount for order in customer.orders)
        assert customer.orders_count == len(customer.orders)


def test_populating_twice_adds(shop: ShopHandle) -> None:
    first, second = shop.populate(10), shop.populate(10, seed=2)

    assert shop.ids() == first + second


def test_populating_announces_nothing(shop: ShopHandle) -> None:
    shop.subscribe("http://127.0.0.1:9/hook")

    shop.populate(10)

    assert shop.deliveries.pending == 0


def test_an_order_raises_the_totals_and_becomes_the_last(shop: ShopHandle, clock: Clock) -> None:
    customer = shop.create()
    clock.advance(60)

    order = shop.order(customer, 1_500_000)

    record = shop.customer(customer)
    assert (record["total_spent"], record["orders_count"], record["last_order_id"]) == (1_500_000, 1, order)
    assert record["last_order_name"] == "#100001"
    assert record["last_order_date"].startswith("2025-06-02T02:01:00")
    assert record["updated_at"] > record["created_at"]


def test_an_order_in_the_past_is_not_the_last_one(shop: ShopHandle) -> None:
    customer = shop.create()
    latest = shop.order(customer, 1)

    shop.order(customer, 1, at="2024-01-01")

    record = shop.customer(customer)
    assert (record["last_order_id"], record["orders_count"]) == (latest, 2)


def test_a_refund_lowers_the_total_and_keeps_the_count(shop: ShopHandle) -> None:
    customer = shop.create()
    shop.order(customer, 500_000)

    shop.refund(customer, 200_000)

    record = shop.customer(customer)
    assert (record["total_spent"], record["orders_count"]) == (300_000, 1)


EDITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an amount": ({"total_spent": "41.94"}, {"total_spent": 41.94}),
    "no amount": ({"total_spent": None}, {"total_spent": None}),
    "paid": ({"total_paid": 7}, {"total_paid": 7}),
    "tags as text": ({"tags": "VIP, a1"}, {"tags": "VIP,a1"}),
    "tags as a set": ({"tags": {"VIP"}}, {"tags": "VIP"}),
    "no tags": ({"tags": None}, {"tags": None}),
    "a birthday": ({"birthday": date(1990, 6, 1)}, {"birthday": "1990-05-31T17:00:00Z"}),
    "an early birthday": ({"birthday": "1955-06-01"}, {"birthday": "1955-05-31T17:00:00Z"}),
    "a moment": (
        {"last_order_date": datetime(2025, 1, 1, tzinfo=UTC)},
        {"last_order_date": "2025-01-01T00:00:00Z"},
    ),
    "a state": ({"state": "Invited"}, {"state": "Invited"}),
    "an older updated_at": ({"updated_at": "2020-01-01T00:00:00Z"}, {"updated_at": "2020-01-01T00:00:00Z"}),
    "no address": ({"default_address": None}, {"default_address": None, "addresses": []}),
}


@pytest.mark.parametrize(("fields", "wanted"), EDITS.values(), ids=EDITS)
def test_an_edit_sets_any_field(shop: ShopHandle, fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    customer = shop.create(tags="x", province="Hà Nội")

    shop.edit(customer, **fields)

    record = shop.customer(customer)
    assert {key: record[key] for key in wanted} == wanted


def test_a_move_changes_the_default_address(shop: ShopHandle) -> None:
    customer = shop.create(province_code="HC", district_code="HC476")

    shop.edit(customer, province="Đà Nẵng")

    home = shop.customer(customer)["default_address"]
    assert (home["province"], home["province_code"], home["district"]) == ("Đà Nẵng", "DA", None)


def test_an_unknown_field_is_an_error(shop: ShopHandle) -> None:
    with pytest.raises(Refused, match="no field of a customer colour"):
        shop.create(colour="blue")


def test_a_taken_id_is_an_error(shop: ShopHandle) -> None:
    with pytest.raises(ValueError, match="already exists"):
        shop.create(id=shop.create())


def test_an_id_is_never_used_twice(shop: ShopHandle) -> None:
    given = shop.create(id=1_050_763_804)

    assert shop.create() == given + 1


def test_an_unknown_customer_is_an_error(shop: ShopHandle) -> None:
    with pytest.raises(NotFound, match="no customer 7"):
        shop.order(7, 1)


def test_two_changes_never_have_the_same_time(shop: ShopHandle) -> None:
    customer = shop.create()
    moments = []

    for _ in range(3):
        shop.edit(customer, note="x")
        moments.append(shop.customer(customer)["updated_at"])

    assert moments == sorted(set(moments), key=lambda moment: (len(moment), moment))


def test_advancing_moves_the_shop_s_time(sandbox: Sandbox, shop: ShopHandle) -> None:
    sandbox.advance(86_400)

    assert shop.customer(shop.create())["created_at"] == "2025-06-03T02:00:00Z"


def test_all_shops_use_the_same_ids(sandbox: Sandbox, shop: ShopHandle) -> None:
    other = sandbox.add_shop(org="1000000002", token="token-2")

    assert shop.create() == other.create()
