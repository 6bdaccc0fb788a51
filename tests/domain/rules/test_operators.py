"""Every operator against its negative twin, and against empty values."""

from __future__ import annotations

import itertools
import unicodedata
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.engine.facts import build_facts
from service.domain.engine.predicates import compile_expression
from service.domain.rules.calendar import calendar_for
from service.domain.rules.conditions import Condition
from service.domain.rules.fields import FIELDS, FieldType
from service.domain.rules.operands import OperandType
from service.domain.rules.operators import OPERATORS, Operator
from tests.reference.strategies import customers

ZONE = "Asia/Ho_Chi_Minh"
TODAY = date(2024, 2, 28).toordinal()
EMPTY = Customer(id=1)
EXAMPLES: dict[OperandType, Any] = {
    OperandType.NONE: None,
    OperandType.MONEY: 3,
    OperandType.MONEY_RANGE: [1, 5],
    OperandType.INTEGER: 3,
    OperandType.INTEGER_RANGE: [1, 5],
    OperandType.DURATION: "30 days",
    OperandType.DATE: "2024-02-01",
    OperandType.MONTH: 2,
    OperandType.BOOLEAN: True,
    OperandType.CHOICE: "Hồ Chí Minh",
    OperandType.CHOICE_LIST: ["Hồ Chí Minh", "HN"],
    OperandType.TEXT: "an",
    OperandType.TAG_LIST: ["A", "x"],
}
EVERY = [(field, operator) for field in FIELDS.values() for operator in OPERATORS[field.type].values()]
IDS = [f"{field.name}-{operator.name}" for field, operator in EVERY]
NEGATIVE = {"is_not", "not_in", "not_contains", "has_none", "is_empty"}


def condition(field: str, operator: Operator) -> Condition:
    value = EXAMPLES[operator.operand_type]
    if field == "gender" and operator.operand_type in {OperandType.CHOICE, OperandType.CHOICE_LIST}:
        value = "male" if operator.operand_type is OperandType.CHOICE else ["male", 0]
    return Condition.model_validate({"field": field, "op": operator.name, "value": value})


def answer(tree: Condition, customer: Customer) -> bool:
    facts = build_facts(customer, TODAY, calendar=calendar_for(ZONE))
    return compile_expression(tree, currency="VND").matches(facts)


def asked(field: str, op: str, value: Any, customer: Customer) -> bool:
    return answer(Condition.model_validate({"field": field, "op": op, "value": value}), customer)


@pytest.mark.parametrize(
    ("field", "operator"),
    [(f.name, o) for f, o in EVERY if o.complement],
    ids=[i for i, (_, o) in zip(IDS, EVERY, strict=True) if o.complement],
)
@given(customer=customers(ZONE))
@settings(max_examples=15, deadline=None)
def test_an_operators_twin_is_its_exact_complement(
    field: str, operator: Operator, customer: Customer
) -> None:
    twin = OPERATORS[operator.field_type][operator.complement or ""]
    assert twin.complement == operator.name

    assert answer(condition(field, operator), customer) is not answer(condition(field, twin), customer)


@pytest.mark.parametrize(("field", "operator"), [(f.name, o) for f, o in EVERY], ids=IDS)
def test_an_empty_value_matches_only_negative_operators(field: str, operator: Operator) -> None:
    assert answer(condition(field, operator), EMPTY) is (operator.name in NEGATIVE)


@pytest.mark.parametrize(("field", "operator"), [(f.name, o) for f, o in EVERY], ids=IDS)
def test_an_operator_says_whether_it_matches_an_empty_value(field: str, operator: Operator) -> None:
    assert operator.matches_empty is answer(condition(field, operator), EMPTY)


COMPARED = [(f.name, o) for f, o in EVERY if o.interval is not None]


@pytest.mark.parametrize(
    ("field", "operator"), COMPARED, ids=[f"{name}-{one.name}" for name, one in COMPARED]
)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_test_holds_exactly_for_the_values_in_its_operators_interval(
    field: str, operator: Operator, data: st.DataObject
) -> None:
    small = st.integers(-3, 40)
    operand = {
        OperandType.MONEY_RANGE: st.tuples(small, small).map(sorted),
        OperandType.INTEGER_RANGE: st.tuples(small, small).map(sorted),
        OperandType.DURATION: st.integers(0, 60).map("{} days".format),
        OperandType.DATE: st.integers(TODAY - 60, TODAY + 60).map(
            lambda day: date.fromordinal(day).isoformat()
        ),
    }.get(operator.operand_type, small)
    tree = Condition.model_validate({"field": field, "op": operator.name, "value": data.draw(operand)})
    compared = tree.operand("VND")
    assert operator.interval is not None
    low, high = operator.interval(compared, TODAY)
    near = [end + step for end in (low, high) if end is not None for step in (-1, 0, 1)]
    value = data.draw(st.sampled_from(near) | st.integers(min(near) - 9, max(near) + 9))
    facts = build_facts(EMPTY, TODAY, calendar=calendar_for(ZONE))
    setattr(facts, FIELDS[field].fact_names[0], value)

    inside = (low is None or low <= value) and (high is None or value <= high)
    assert compile_expression(tree, currency="VND").matches(facts) is (inside is not operator.is_negative)


def test_every_comparison_of_numbers_and_days_has_an_interval() -> None:
    counted = [one for field, one in EVERY if field.type in {FieldType.MONEY, FieldType.INT, FieldType.DATE}]

    assert all(one.interval is not None for one in counted if one.operand_type is not OperandType.NONE)


def test_an_amount_just_below_the_limit_does_not_reach_it() -> None:
    below = Customer(id=1, total_spent=9_999_999_9999, orders_count=1)

    assert not asked("total_spent", "at_least", 10_000_000, below)
    assert asked("total_spent", "less_than", 10_000_000, below)
    assert not asked("avg_order_value", "at_least", 10_000_000, below)


@pytest.mark.parametrize("kind", list(FieldType))
def test_every_type_of_field_has_operators_and_every_one_its_table_entry(kind: FieldType) -> None:
    assert OPERATORS[kind]
    assert all(operator.field_type is kind for operator in OPERATORS[kind].values())


SPELLINGS = [
    change(form)
    for form in (unicodedata.normalize("NFC", "Hồ Chí Minh"), unicodedata.normalize("NFD", "Hồ Chí Minh"))
    for change in (str, str.upper, str.lower, lambda text: f"  {text} ")
]


@pytest.mark.parametrize(("written", "stored"), list(itertools.product(SPELLINGS, SPELLINGS)))
def test_spellings_that_look_alike_are_the_same_value(written: str, stored: str) -> None:
    customer = Customer(id=1, province=stored, group=stored, note=stored, tags=(stored.strip(),))

    assert asked("province", "is", written, customer)
    assert asked("group", "in", [written], customer)
    assert asked("note", "contains", written, customer)
    assert asked("tags", "has_any", [written], customer)
    assert not asked("tags", "has_none", [written], customer)


def test_accents_are_never_folded_away_in_matching() -> None:
    customer = Customer(id=1, province="Ho Chi Minh", note="Đà Nẵng")

    assert not asked("province", "is", "Hồ Chí Minh", customer)
    assert not asked("note", "contains", "Da Nang", customer)


def test_a_province_matches_by_its_name_or_its_code() -> None:
    customer = Customer(id=1, province="Hồ Chí Minh", province_code="HC")

    assert asked("province", "is", "hc", customer)
    assert asked("province", "in", ["Hà Nội", "Hồ Chí Minh"], customer)
    assert not asked("province", "not_in", ["HC"], customer)


@pytest.mark.parametrize(
    ("field", "op", "value", "customer"),
    [
        pytest.param("gender", "is", "female", Customer(id=1, gender=0), id="0 is female, not empty"),
        pytest.param("gender", "is", "nữ", Customer(id=1, gender=0), id="in Vietnamese"),
        pytest.param("gender", "is_not_empty", None, Customer(id=1, gender=0), id="0 is not empty"),
        pytest.param("orders_count", "is", 0, Customer(id=1, orders_count=0), id="no orders is a value"),
        pytest.param("accepts_marketing", "is", False, Customer(id=1, accepts_marketing=False), id="false is a value"),
        pytest.param("avg_order_value", "more_than", 3, Customer(id=1, total_spent=10_0000, orders_count=3), id="the average of three keeps its fraction"),
        pytest.param("avg_order_value", "is_empty", None, Customer(id=1, total_spent=10_0000, orders_count=0), id="no average without orders"),
        pytest.param("state", "is", "disabled", Customer(id=1, state="Disabled"), id="state in any case"),
        pytest.param("first_name", "is_empty", None, Customer(id=1, first_name="  "), id="blank is empty"),
    ],
)  # fmt: skip
def test_values_that_look_like_nothing_are_told_from_nothing(
    field: str, op: str, value: Any, customer: Customer
) -> None:
    assert asked(field, op, value, customer)


def test_money_is_written_in_whole_units_and_compared_in_the_smallest() -> None:
    tree = Condition.model_validate({"field": "total_spent", "op": "at_least", "value": 41.94})
    facts = build_facts(Customer(id=1, total_spent=41_9400), TODAY, calendar=calendar_for(ZONE))

    assert compile_expression(tree, currency="USD").matches(facts)
