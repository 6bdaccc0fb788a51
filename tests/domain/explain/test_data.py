"""A trace as plain data: amounts exactly in units, and no personal value."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.explain.data import trace_data
from service.locales import translator_for
from tests.domain.explain.conditions import ZONE, moment, trace_of
from tests.reference import strategies


def test_a_trace_as_data_has_operands_values_and_gaps() -> None:
    tree = {
        "all": [
            {"field": "orders_count", "op": "at_least", "value": 1},
            {"field": "last_order_date", "op": "more_than_ago", "value": "90 days"},
        ]
    }
    customer = Customer(id=1, orders_count=2, last_order_ms=moment(date(2026, 8, 30)))

    assert trace_data(trace_of(tree, customer)) == {
        "all": [
            {"field": "orders_count", "op": "at_least", "expected": 1, "actual": 2, "matched": True},
            {
                "field": "last_order_date",
                "op": "more_than_ago",
                "expected": 90,
                "actual": "2026-08-30",
                "matched": False,
                "distance": {"way": "wait", "amount": 9, "on": "2026-11-29"},
            },
        ],
        "matched": False,
    }


def test_amounts_are_exact_and_in_units() -> None:
    tree = {"field": "total_spent", "op": "between", "value": [10, 20]}

    below, above = (
        trace_data(trace_of(tree, Customer(id=1, total_spent=spent))) for spent in (9_5000, 30_0000)
    )

    assert (below["expected"], below["actual"]) == ([10, 20], Decimal("9.5"))
    assert below["distance"] == {"way": "lacks", "amount": Decimal("0.5")}
    assert (above["actual"], above["distance"]) == (30, {"way": "exceeds", "amount": 10})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_trace_is_json(data: st.DataObject) -> None:
    traced = trace_of(data.draw(strategies.trees(("X", "y", "A"))), data.draw(strategies.customers(ZONE)))
    plain = trace_data(traced, translator=translator_for("en"))

    assert msgspec.json.Encoder(decimal_format="number").encode(plain)


def test_personal_values_are_never_in_a_trace() -> None:
    personal = {
        "email": "an@example.com",
        "phone": "0900000001",
        "note": "gọi sau 18 giờ",
        "first_name": "An",
    }
    tree = {"any": [{"field": field, "op": "contains", "value": "zzz"} for field in personal]}

    traced = trace_of(tree, msgspec.structs.replace(Customer(id=1), **personal))

    text = json.dumps(trace_data(traced, translator=translator_for("vi")), ensure_ascii=False)
    assert [value for value in personal.values() if f'"{value}"' in text or f" {value}" in text] == []
    assert "đã có, không hiển thị ở đây" in text
