"""An explanation agrees with the rules, and what it says is missing is exactly what is missing."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.engine.facts import Facts, build_facts
from service.domain.engine.predicates import CompiledCondition, compile_expression
from service.domain.explain.gap import Gap, gap_to
from service.domain.explain.trace import Trace, trace
from service.domain.explain.trace_text import trace_data, trace_line, trace_lines
from service.domain.explain.wording import LANGUAGES
from service.domain.rules.calendar import calendar_for
from service.domain.rules.conditions import Condition
from service.domain.rules.fields import FIELDS
from service.locales import translator_for
from tests.domain.test_sentences import CONDITIONS
from tests.reference import strategies

RANDOMLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ZONE = "Asia/Ho_Chi_Minh"
TODAY = date(2026, 11, 20)
make = partial(build_facts, calendar=calendar_for(ZONE))


def on(day: date) -> int:
    return strategies.moment(day, 9, ZONE)


CUSTOMERS = (
    Customer(
        id=1,
        total_spent=9_000_000_0000,
        orders_count=3,
        tags=("Khách sỉ", "Ours"),
        created_ms=on(date(2026, 6, 1)),
        last_order_ms=on(date(2026, 10, 1)),
        birthday_ms=on(date(1990, 11, 29)),
        gender=0,
        state="disabled",
        accepts_marketing=True,
        verified_email=True,
        group="Hồ Chí Minh",
        province="Hồ Chí Minh",
        district="Hồ Chí Minh",
        ward="Hồ Chí Minh",
        first_name="An",
        last_name="An",
        email="an",
        phone="an",
        note="an",
    ),
    Customer(
        id=1,
        total_spent=10_000_000_0000,
        orders_count=9,
        tags=("blacklist", "Khách sỉ"),
        created_ms=on(date(2026, 9, 1)),
        last_order_ms=on(date(2026, 1, 1)),
        birthday_ms=on(date(1988, 5, 1)),
        gender=1,
        accepts_marketing=False,
        verified_email=False,
        first_name="Bình",
    ),
    Customer(id=1),
)


def test_the_example_of_the_specification_reads_as_specified() -> None:
    tree = {
        "all": [
            {"field": "orders_count", "op": "at_least", "value": 1},
            {"field": "last_order_date", "op": "more_than_ago", "value": "90 days"},
        ]
    }
    found = explained(tree, Customer(id=1, orders_count=2, last_order_ms=on(date(2026, 8, 30))))

    assert trace_line(found, translator=translator_for("vi"), currency="VND") == (
        "✔ Số đơn hàng từ 1 trở lên (đang là 2) · "
        "✘ Lần mua gần nhất cách đây hơn 90 ngày (mua ngày 30/08/2026, còn 9 ngày nữa)"
    )
    assert trace_data(found) == {
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


def explained(tree: dict[str, Any], customer: Customer) -> Trace:
    rule = {"id": "r", "tag": "Ours", "when": tree}
    (ready,) = compile_rules(validate_rules({"version": 1, "rules": [rule]})).rules
    return trace(
        ready.when,
        facts=make(customer, TODAY.toordinal()),
        customer=customer,
        own=frozenset({"ours"}),
        spelled={fold(tag): tag for tag in customer.tags},
    )


@RANDOMLY
@given(st.data())
def test_explanation_and_closure_agree_on_random_trees(data: st.DataObject) -> None:
    tree = data.draw(strategies.trees(("X", "y", "A")))
    customer, day = data.draw(strategies.customers(ZONE)), data.draw(strategies.DAYS)
    (rule,) = compile_rules(
        validate_rules({"version": 1, "rules": [{"id": "r", "tag": "Z", "when": tree}]})
    ).rules
    facts = make(customer, day.toordinal())

    found = trace(rule.when, facts=facts, customer=customer)

    assert found.matched is rule.matches(facts)
    assert msgspec.json.Encoder(decimal_format="number").encode(
        trace_data(found, translator=translator_for("en"))
    )
    for language in ("vi", "en"):
        assert "{" not in trace_line(found, translator=translator_for(language), currency="VND")
        assert all(trace_lines(found, translator=translator_for(language), currency="VND"))


def bridged(far: Gap, test: CompiledCondition, facts: Facts, *, short_by: int = 0) -> Facts:
    """The facts once the distance is covered, but for the last `short_by` of it."""
    names = test.field.fact_names[0]
    if far.way == "wait":
        customer_day = facts.day.ordinal + far.amount - short_by
        moved = msgspec.structs.replace(facts, day=make(Customer(id=1), customer_day).day)
        if test.field.name == "age" and moved.birthday is not None:
            moved.age = years(moved.birthday, date.fromordinal(customer_day))
        return moved
    if far.tags:
        keys = frozenset(map(fold, far.tags))
        tags = facts.tags - keys if far.way == "exceeds_tags" else facts.tags | keys
        return msgspec.structs.replace(facts, tags=tags)
    step = (far.amount - short_by) * (1 if far.way == "lacks" else -1)
    return msgspec.structs.replace(facts, **{names: getattr(facts, names) + step})


def years(born: date, today: date) -> int:
    return make(Customer(id=1, birthday_ms=strategies.moment(born, 12, ZONE)), today.toordinal()).age or 0


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_covering_the_distance_and_nothing_less_gives_the_needed_answer(data: st.DataObject) -> None:
    leaf = data.draw(strategies.leaves(("X", "y", "A")))
    needed = data.draw(st.booleans())
    test = compile_expression(Condition.model_validate(leaf), currency="VND")
    assert isinstance(test, CompiledCondition)
    facts = make(data.draw(strategies.customers(ZONE)), data.draw(strategies.DAYS).toordinal())
    far = gap_to(test, facts, needed=needed)
    assume(far is not None)
    assert far is not None

    assert test.matches(facts) is not needed
    assert test.matches(bridged(far, test, facts)) is needed
    for short_by in {1, far.amount // 2, far.amount - 1} & set(range(1, far.amount)):
        assert test.matches(bridged(far, test, facts, short_by=short_by)) is not needed


NEAREST: list[tuple[str, str, Any, dict[str, Any], str, str]] = [
        ("total_spent", "at_least", 10_000_000, {"total_spent": 9_660_000_0000}, "thiếu 340.000 ₫", "₫340,000 short"),
        ("total_spent", "more_than", 10, {"total_spent": 10_0000}, "thiếu 1 ₫", "₫1 short"),
        ("total_spent", "at_most", 10_000_000, {"total_spent": 10_340_000_0000}, "vượt 340.000 ₫", "₫340,000 over"),
        ("total_spent", "less_than", 10, {"total_spent": 10_0000}, "vượt 1 ₫", "₫1 over"),
        ("total_spent", "between", (5, 9), {"total_spent": 2_0000}, "thiếu 3 ₫", "₫3 short"),
        ("total_spent", "between", (5, 9), {"total_spent": 12_0000}, "vượt 3 ₫", "₫3 over"),
        ("avg_order_value", "at_least", 500, {"total_spent": 900_0000, "orders_count": 2}, "thiếu 50 ₫", "₫50 short"),
        ("total_spent", "is", 3, {"total_spent": 5_0000}, "vượt 2 ₫", "₫2 over"),
        ("orders_count", "at_least", 3, {"orders_count": 1}, "thiếu 2", "2 short"),
        ("orders_count", "more_than", 3, {"orders_count": 1}, "thiếu 3", "3 short"),
        ("orders_count", "at_most", 3, {"orders_count": 4}, "vượt 1", "1 over"),
        ("orders_count", "less_than", 3, {"orders_count": 4}, "vượt 2", "2 over"),
        ("orders_count", "between", (3, 5), {"orders_count": 1}, "thiếu 2", "2 short"),
        ("orders_count", "between", (3, 5), {"orders_count": 9}, "vượt 4", "4 over"),
        ("orders_count", "is", 3, {"orders_count": 1}, "thiếu 2", "2 short"),
        ("orders_count", "is", 3, {"orders_count": 4}, "vượt 1", "1 over"),
        ("age", "is_not", 35, {"birthday_ms": on(date(1990, 11, 29))}, "còn 9 ngày nữa", "9 days to go"),
        ("age", "at_least", 40, {"birthday_ms": on(date(1990, 11, 29))}, "còn 1.470 ngày nữa", "1,470 days to go"),
        ("age", "at_most", 30, {"birthday_ms": on(date(1990, 11, 29))}, "vượt 5 tuổi", "5 years over"),
        ("last_order_date", "more_than_ago", "90 days", {"last_order_ms": on(date(2026, 8, 30))}, "còn 9 ngày nữa", "9 days to go"),
        ("last_order_date", "within_last", "30 days", {"last_order_ms": on(date(2026, 10, 20))}, "quá 1 ngày", "1 day past"),
        ("created_at", "before", "2026-07-01", {"created_ms": on(date(2026, 7, 3))}, "muộn hơn 3 ngày", "3 days too late"),
        ("created_at", "after", "2026-07-01", {"created_ms": on(date(2026, 7, 1))}, "sớm hơn 1 ngày", "1 day too early"),
        ("birthday", "this_month", None, {"birthday_ms": on(date(1990, 12, 31))}, "còn 11 ngày nữa", "11 days to go"),
        ("birthday", "next_month", None, {"birthday_ms": on(date(1990, 1, 31))}, "còn 11 ngày nữa", "11 days to go"),
        ("birthday", "today", None, {"birthday_ms": on(date(1990, 11, 21))}, "còn 1 ngày nữa", "1 day to go"),
        ("birthday", "in_next", "7 days", {"birthday_ms": on(date(1990, 11, 29))}, "còn 2 ngày nữa", "2 days to go"),
        ("tags", "has_all", ("A", "B"), {"tags": ("A",)}, "thiếu nhãn: B", "lacks: B"),
        ("tags", "has_any", ("A", "B"), {"tags": ("C",)}, "thiếu một trong các nhãn: A, B", "lacks one of: A, B"),
        ("tags", "has_none", ("A", "B"), {"tags": ("b",)}, "vướng nhãn: B", "in the way: B"),
        ("tags", "is_empty", None, {"tags": ("Khách sỉ", "Ours")}, "vướng nhãn: Khách sỉ", "in the way: Khách sỉ"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "op", "value", "customer", "vi", "en"),
    NEAREST,
    ids=lambda value: str(value)[:24],
)
def test_the_nearest_miss_is_said_in_both_languages(
    field: str, op: str, value: Any, customer: dict[str, Any], vi: str, en: str
) -> None:
    leaf = {"field": field, "op": op} | ({"value": value} if value is not None else {})
    found = explained(leaf, Customer(id=1, **customer))

    assert trace_line(found, translator=translator_for("vi"), currency="VND").endswith(f", {vi})")
    assert trace_line(found, translator=translator_for("en"), currency="VND").endswith(f", {en})")


def test_amounts_are_given_in_units_and_exactly() -> None:
    tree = {"field": "total_spent", "op": "between", "value": [10, 20]}

    short, over = (
        trace_data(explained(tree, Customer(id=1, total_spent=spent))) for spent in (9_5000, 30_0000)
    )

    assert (short["expected"], short["actual"]) == ([10, 20], Decimal("9.5"))
    assert short["distance"] == {"way": "lacks", "amount": Decimal("0.5")}
    assert (over["actual"], over["distance"]) == (30, {"way": "exceeds", "amount": 10})


def as_written(condition: Condition) -> dict[str, Any]:
    value = {"value": condition.value} if condition.value is not None else {}
    return {"field": condition.field, "op": condition.op} | value


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS.keys())
@pytest.mark.parametrize("customer", CUSTOMERS, ids=["full", "other", "empty"])
def test_every_operator_explains_itself(condition: Condition, customer: Customer) -> None:
    found = explained(as_written(condition), customer)
    told = trace_data(found, translator=translator_for("en"))
    test = compile_expression(condition, currency="VND", own_tags=frozenset({"ours"}))

    assert (told["field"], told["op"]) == (condition.field, condition.op)
    assert told["matched"] is test.matches(make(customer, TODAY.toordinal()))
    assert (told["expected"] is None) is (condition.value is None)
    assert "actual" in told
    for language in LANGUAGES:
        assert trace_line(found, translator=translator_for(language), currency="VND").startswith(
            "✔" if told["matched"] else "✘"
        )


def test_every_operator_that_knows_how_far_a_customer_is_has_its_nearest_miss_in_the_table() -> None:
    told = {(FIELDS[field].type, op) for field, op, *_ in NEAREST}
    known = {
        (FIELDS[condition.field].type, condition.op)
        for condition in CONDITIONS.values()
        for customer in CUSTOMERS
        if (trace_data(explained(as_written(condition), customer), translator=translator_for("en"))).get(
            "distance"
        )
    }

    assert known - told == set()


@pytest.mark.parametrize(
    "tree",
    [
        {"field": "orders_count", "op": "is_not", "value": 3},
        {"not": {"field": "orders_count", "op": "is", "value": 3}},
    ],
    ids=["is_not", "not is"],
)
def test_whoever_is_to_be_anything_else_lacks_nothing(tree: dict[str, Any]) -> None:
    said = trace_line(
        explained(tree, Customer(id=1, orders_count=3)), translator=translator_for("en"), currency="VND"
    )

    assert said.endswith("(is 3)")


def test_under_not_the_distance_is_that_of_the_opposite() -> None:
    tree = {"not": {"field": "total_spent", "op": "at_least", "value": 10_000_000}}

    found = explained(tree, Customer(id=1, total_spent=12_000_000_0000))

    assert trace_line(found, translator=translator_for("vi"), currency="VND") == (
        "✘ KHÔNG phải: Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 12.000.000 ₫, vượt 2.000.001 ₫)"
    )


def test_what_can_reach_a_person_is_never_in_an_explanation() -> None:
    personal = {
        "email": "an@example.com",
        "phone": "0900000001",
        "note": "gọi sau 18 giờ",
        "first_name": "An",
    }
    tree = {"any": [{"field": field, "op": "contains", "value": "zzz"} for field in personal]}

    found = explained(tree, msgspec.structs.replace(Customer(id=1), **personal))

    told = json.dumps(trace_data(found, translator=translator_for("vi")), ensure_ascii=False)
    assert [value for value in personal.values() if f'"{value}"' in told or f" {value}" in told] == []
    assert "đã có, không hiện ở đây" in told


@pytest.mark.parametrize(
    ("customer", "said"),
    [({}, "chưa từng mua"), ({"last_order_ms": on(TODAY)}, "mua ngày 20/11/2026, còn 91 ngày nữa")],
    ids=["never ordered", "ordered today"],
)
def test_an_empty_value_says_so(customer: dict[str, Any], said: str) -> None:
    found = explained(
        {"field": "last_order_date", "op": "more_than_ago", "value": "90 days"}, Customer(id=1, **customer)
    )

    assert f"({said})" in trace_line(found, translator=translator_for("vi"), currency="VND")
