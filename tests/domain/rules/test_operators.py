"""Every operator against its complement, its interval, and empty values."""

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


def example_condition(field: str, operator: Operator) -> Condition:
    value = EXAMPLES[operator.operand_type]
    if field == "gender" and operator.operand_type in {OperandType.CHOICE, OperandType.CHOICE_LIST}:
        value = "male" if operator.operand_type is OperandType.CHOICE else ["male", 0]
    return Condition.model_validate({"field": field, "op": operator.name, "value": value})


def evaluate(condition: Condition, customer: Customer) -> bool:
    facts = build_facts(customer, TODAY, calendar=calendar_for(ZONE))
    return compile_expression(condition, currency="VND").matches(facts)


def matches(field: str, op: str, value: Any, customer: Customer) -> bool:
    return evaluate(Condition.model_validate({"field": field, "op": op, "value": value}), customer)


@pytest.mark.parametrize(
    ("field", "operator"),
    [(f.name, o) for f, o in EVERY if o.complement],
    ids=[i for i, (_, o) in zip(IDS, EVERY, strict=True) if o.complement],
)
@given(customer=customers(ZONE))
@settings(max_examples=15, deadline=None)
def test_an_operator_and_its_complement_are_never_both_true_or_both_false(
    field: str, operator: Operator, customer: Customer
) -> None:
    complement = OPERATORS[operator.field_type][operator.complement or ""]
    assert complement.complement == operator.name

    assert evaluate(example_condition(field, operator), customer) is not evaluate(
        example_condition(field, complement), customer
    )


@pytest.mark.parametrize(("field", "operator"), [(f.name, o) for f, o in EVERY], ids=IDS)
def test_an_empty_value_matches_only_negative_operators(field: str, operator: Operator) -> None:
    assert evaluate(example_condition(field, operator), EMPTY) is (operator.name in NEGATIVE)


@pytest.mark.parametrize(("field", "operator"), [(f.name, o) for f, o in EVERY], ids=IDS)
def test_matches_empty_is_true_for_operators_that_match_an_empty_value(
    field: str, operator: Operator
) -> None:
    assert operator.matches_empty is evaluate(example_condition(field, operator), EMPTY)


WITH_INTERVAL = [(f.name, o) for f, o in EVERY if o.interval is not None]


@pytest.mark.parametrize(
    ("field", "operator"), WITH_INTERVAL, ids=[f"{name}-{operator.name}" for name, operator in WITH_INTERVAL]
)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_an_operator_matches_exactly_the_values_in_its_interval(
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
    operators = [
        operator
        for field, operator in EVERY
        if field.type in {FieldType.MONEY, FieldType.INT, FieldType.DATE}
    ]

    assert all(
        operator.interval is not None
        for operator in operators
        if operator.operand_type is not OperandType.NONE
    )


def test_an_amount_just_below_the_limit_does_not_reach_it() -> None:
    below = Customer(id=1, total_spent=9_999_999_9999, orders_count=1)

    assert not matches("total_spent", "at_least", 10_000_000, below)
    assert matches("total_spent", "less_than", 10_000_000, below)
    assert not matches("avg_order_value", "at_least", 10_000_000, below)


@pytest.mark.parametrize("field_type", list(FieldType))
def test_every_field_type_has_operators_of_its_own(field_type: FieldType) -> None:
    assert OPERATORS[field_type]
    assert all(operator.field_type is field_type for operator in OPERATORS[field_type].values())


SPELLINGS = [
    change(form)
    for form in (unicodedata.normalize("NFC", "Hồ Chí Minh"), unicodedata.normalize("NFD", "Hồ Chí Minh"))
    for change in (str, str.upper, str.lower, lambda text: f"  {text} ")
]


@pytest.mark.parametrize(("written", "stored"), list(itertools.product(SPELLINGS, SPELLINGS)))
def test_spellings_that_look_alike_are_the_same_value(written: str, stored: str) -> None:
    customer = Customer(id=1, province=stored, group=stored, note=stored, tags=(stored.strip(),))

    assert matches("province", "is", written, customer)
    assert matches("group", "in", [written], customer)
    assert matches("note", "contains", written, customer)
    assert matches("tags", "has_any", [written], customer)
    assert not matches("tags", "has_none", [written], customer)


def test_texts_with_and_without_accents_do_not_match() -> None:
    customer = Customer(id=1, province="Ho Chi Minh", note="Đà Nẵng")

    assert not matches("province", "is", "Hồ Chí Minh", customer)
    assert not matches("note", "contains", "Da Nang", customer)


def test_a_province_matches_by_its_name_or_its_code() -> None:
    customer = Customer(id=1, province="Hồ Chí Minh", province_code="HC")

    assert matches("province", "is", "hc", customer)
    assert matches("province", "in", ["Hà Nội", "Hồ Chí Minh"], customer)
    assert not matches("province", "not_in", ["HC"], customer)


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
def test_zero_and_false_are_values_and_blank_is_empty(
    field: str, op: str, value: Any, customer: Customer
) -> None:
    assert matches(field, op, value, customer)


def test_money_is_authored_in_units_and_compared_in_ten_thousandths() -> None:
    tree = Condition.model_validate({"field": "total_spent", "op": "at_least", "value": 41.94})
    facts = build_facts(Customer(id=1, total_spent=41_9400), TODAY, calendar=calendar_for(ZONE))

    assert compile_expression(tree, currency="USD").matches(facts)
