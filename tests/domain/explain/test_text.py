"""A trace reads as people would say it, in both languages, and says exactly what is missing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.explain.text import trace_line, trace_lines, trace_outline
from service.domain.explain.trace import ConditionTrace, Trace
from service.domain.explain.wording import LANGUAGES, Language
from service.domain.rules.conditions import Condition
from service.domain.rules.fields import FIELDS
from service.locales import translator_for
from tests.domain.explain.conditions import CONDITIONS, CUSTOMERS, TODAY, ZONE, as_authored, moment, trace_of
from tests.reference import strategies


def line(trace: Trace, language: Language = "vi") -> str:
    return trace_line(trace, translator=translator_for(language), currency="VND")


def test_a_trace_on_one_line_has_a_mark_the_value_and_what_is_missing() -> None:
    tree = {
        "all": [
            {"field": "orders_count", "op": "at_least", "value": 1},
            {"field": "last_order_date", "op": "more_than_ago", "value": "90 days"},
        ]
    }
    customer = Customer(id=1, orders_count=2, last_order_ms=moment(date(2026, 8, 30)))

    assert line(trace_of(tree, customer)) == (
        "✔ Số đơn hàng từ 1 trở lên (đang là 2) · "
        "✘ Lần mua gần nhất cách đây hơn 90 ngày (mua ngày 30/08/2026, còn 9 ngày nữa)"
    )


def test_an_outline_has_a_line_for_each_condition_and_counts_the_groups_around_it() -> None:
    tree = {
        "all": [
            {"field": "orders_count", "op": "at_least", "value": 1},
            {
                "any": [
                    {"field": "orders_count", "op": "at_least", "value": 9},
                    {"not": {"field": "age", "op": "is", "value": 3}},
                ]
            },
        ]
    }
    traced = trace_of(tree, Customer(id=1, orders_count=2))

    outline = trace_outline(traced, translator=translator_for("vi"), currency="VND")

    assert [(each.depth, each.mark) for each in outline] == [(0, "✔"), (0, "✔"), (1, "✘"), (1, "✔")]
    assert outline[1].text == "thỏa ít nhất một:"
    assert trace_lines(traced, translator=translator_for("vi"), currency="VND") == [
        f"{'  ' * each.depth}{each.mark} {each.text}" for each in outline
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_trace_has_its_text_without_open_placeholders(data: st.DataObject) -> None:
    traced = trace_of(data.draw(strategies.trees(("X", "y", "A"))), data.draw(strategies.customers(ZONE)))

    for language in LANGUAGES:
        assert "{" not in line(traced, language)
        assert all(trace_lines(traced, translator=translator_for(language), currency="VND"))


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS.keys())
@pytest.mark.parametrize("customer", CUSTOMERS.values(), ids=CUSTOMERS.keys())
def test_every_operator_has_its_text(condition: Condition, customer: Customer) -> None:
    traced = trace_of(as_authored(condition), customer)

    for language in LANGUAGES:
        assert line(traced, language).startswith("✔" if traced.matched else "✘")


GAPS: list[tuple[str, str, Any, dict[str, Any], str, str]] = [
        ("total_spent", "at_least", 10_000_000, {"total_spent": 9_660_000_0000}, "còn thiếu 340.000 ₫", "₫340,000 short"),
        ("total_spent", "more_than", 10, {"total_spent": 10_0000}, "còn thiếu 1 ₫", "₫1 short"),
        ("total_spent", "at_most", 10_000_000, {"total_spent": 10_340_000_0000}, "vượt 340.000 ₫", "₫340,000 over"),
        ("total_spent", "less_than", 10, {"total_spent": 10_0000}, "vượt 1 ₫", "₫1 over"),
        ("total_spent", "between", (5, 9), {"total_spent": 2_0000}, "còn thiếu 3 ₫", "₫3 short"),
        ("total_spent", "between", (5, 9), {"total_spent": 12_0000}, "vượt 3 ₫", "₫3 over"),
        ("avg_order_value", "at_least", 500, {"total_spent": 900_0000, "orders_count": 2}, "còn thiếu 50 ₫", "₫50 short"),
        ("total_spent", "is", 3, {"total_spent": 5_0000}, "vượt 2 ₫", "₫2 over"),
        ("orders_count", "at_least", 3, {"orders_count": 1}, "còn thiếu 2", "2 short"),
        ("orders_count", "more_than", 3, {"orders_count": 1}, "còn thiếu 3", "3 short"),
        ("orders_count", "at_most", 3, {"orders_count": 4}, "vượt 1", "1 over"),
        ("orders_count", "less_than", 3, {"orders_count": 4}, "vượt 2", "2 over"),
        ("orders_count", "between", (3, 5), {"orders_count": 1}, "còn thiếu 2", "2 short"),
        ("orders_count", "between", (3, 5), {"orders_count": 9}, "vượt 4", "4 over"),
        ("orders_count", "is", 3, {"orders_count": 1}, "còn thiếu 2", "2 short"),
        ("orders_count", "is", 3, {"orders_count": 4}, "vượt 1", "1 over"),
        ("age", "is_not", 35, {"birthday_ms": moment(date(1990, 11, 29))}, "còn 9 ngày nữa", "9 days to go"),
        ("age", "at_least", 40, {"birthday_ms": moment(date(1990, 11, 29))}, "còn 1.470 ngày nữa", "1,470 days to go"),
        ("age", "at_most", 30, {"birthday_ms": moment(date(1990, 11, 29))}, "vượt 5 tuổi", "5 years over"),
        ("last_order_date", "more_than_ago", "90 days", {"last_order_ms": moment(date(2026, 8, 30))}, "còn 9 ngày nữa", "9 days to go"),
        ("last_order_date", "within_last", "30 days", {"last_order_ms": moment(date(2026, 10, 20))}, "đã quá 1 ngày", "1 day too long ago"),
        ("created_at", "before", "2026-07-01", {"created_ms": moment(date(2026, 7, 3))}, "muộn hơn 3 ngày", "3 days too late"),
        ("created_at", "after", "2026-07-01", {"created_ms": moment(date(2026, 7, 1))}, "sớm hơn 1 ngày", "1 day too early"),
        ("birthday", "this_month", None, {"birthday_ms": moment(date(1990, 12, 31))}, "từ ngày 01/12/2026, còn 11 ngày nữa", "from 1 Dec 2026, in 11 days"),
        ("birthday", "next_month", None, {"birthday_ms": moment(date(1990, 1, 31))}, "từ ngày 01/12/2026, còn 11 ngày nữa", "from 1 Dec 2026, in 11 days"),
        ("birthday", "today", None, {"birthday_ms": moment(date(1990, 11, 21))}, "từ ngày 21/11/2026, còn 1 ngày nữa", "from 21 Nov 2026, in 1 day"),
        ("birthday", "in_next", "7 days", {"birthday_ms": moment(date(1990, 11, 29))}, "từ ngày 22/11/2026, còn 2 ngày nữa", "from 22 Nov 2026, in 2 days"),
        ("tags", "has_all", ("A", "B"), {"tags": ("A",)}, "còn thiếu nhãn: B", "missing: B"),
        ("tags", "has_any", ("A", "B"), {"tags": ("C",)}, "còn thiếu một trong các nhãn: A, B", "missing one of: A, B"),
        ("tags", "has_none", ("A", "B"), {"tags": ("b",)}, "vướng nhãn: B", "in the way: B"),
        ("tags", "is_empty", None, {"tags": ("Khách sỉ", "Ours")}, "vướng nhãn: Khách sỉ", "in the way: Khách sỉ"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "op", "value", "customer", "vi", "en"), GAPS, ids=lambda value: str(value)[:24]
)
def test_the_gap_is_named_in_both_languages(
    field: str, op: str, value: Any, customer: dict[str, Any], vi: str, en: str
) -> None:
    condition = {"field": field, "op": op} | ({"value": value} if value is not None else {})
    traced = trace_of(condition, Customer(id=1, **customer))

    separator = ";" if field == "tags" else ","
    assert line(traced, "vi").endswith(f"{separator} {vi})")
    assert line(traced, "en").endswith(f"{separator} {en})")


def test_every_operator_that_can_have_a_gap_is_in_the_table() -> None:
    in_table = {(FIELDS[field].type, op) for field, op, *_ in GAPS}
    with_gap = {
        (FIELDS[condition.field].type, condition.op)
        for condition in CONDITIONS.values()
        for customer in CUSTOMERS.values()
        if isinstance(traced := trace_of(as_authored(condition), customer), ConditionTrace)
        and traced.gap is not None
    }

    assert with_gap - in_table == set()


@pytest.mark.parametrize(
    "tree",
    [
        {"field": "orders_count", "op": "is_not", "value": 3},
        {"not": {"field": "orders_count", "op": "is", "value": 3}},
    ],
    ids=["is_not", "not is"],
)
def test_a_value_that_only_has_to_differ_has_no_gap(tree: dict[str, Any]) -> None:
    assert line(trace_of(tree, Customer(id=1, orders_count=3)), "en").endswith("(is 3)")


def test_under_not_the_gap_is_that_of_the_opposite() -> None:
    tree = {"not": {"field": "total_spent", "op": "at_least", "value": 10_000_000}}

    assert line(trace_of(tree, Customer(id=1, total_spent=12_000_000_0000))) == (
        "✘ KHÔNG phải: Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 12.000.000 ₫, vượt 2.000.001 ₫)"
    )


@pytest.mark.parametrize(
    ("customer", "note"),
    [
        ({}, "chưa từng mua"),
        ({"last_order_ms": moment(TODAY)}, "mua ngày 20/11/2026, còn 91 ngày nữa"),
    ],
    ids=["never ordered", "ordered today"],
)
def test_an_empty_value_is_named(customer: dict[str, Any], note: str) -> None:
    tree = {"field": "last_order_date", "op": "more_than_ago", "value": "90 days"}

    assert f"({note})" in line(trace_of(tree, Customer(id=1, **customer)))
