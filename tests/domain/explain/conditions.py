"""A condition for every operator of every field, customers to try them on, and the trace of a condition."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.engine.facts import build_facts
from service.domain.explain.trace import Trace, trace
from service.domain.rules.calendar import calendar_for
from service.domain.rules.conditions import Condition
from service.domain.rules.fields import FIELDS, Field
from service.domain.rules.operands import OperandType
from service.domain.rules.operators import OPERATORS
from tests.reference import strategies

ZONE = "Asia/Ho_Chi_Minh"
TODAY = date(2026, 11, 20)
OWN_TAG = "Ours"
OPERANDS: dict[OperandType, Any] = {
    OperandType.NONE: None,
    OperandType.MONEY: 10_000_000,
    OperandType.MONEY_RANGE: (1_000_000, 5_000_000),
    OperandType.INTEGER: 3,
    OperandType.INTEGER_RANGE: (1, 5),
    OperandType.DURATION: "90 ngày",
    OperandType.DATE: "2026-07-01",
    OperandType.MONTH: 5,
    OperandType.BOOLEAN: True,
    OperandType.CHOICE: "Hồ Chí Minh",
    OperandType.CHOICE_LIST: ("Hồ Chí Minh", "Hà Nội"),
    OperandType.TEXT: "an",
    OperandType.TAG_LIST: ("Khách sỉ", "blacklist"),
}
make_facts = partial(build_facts, calendar=calendar_for(ZONE))


def moment(day: date) -> int:
    return strategies.moment(day, 9, ZONE)


def as_authored(condition: Condition) -> dict[str, Any]:
    value = {"value": condition.value} if condition.value is not None else {}
    return {"field": condition.field, "op": condition.op} | value


def trace_of(tree: dict[str, Any], customer: Customer) -> Trace:
    """Trace a rule with these conditions that sets OWN_TAG."""
    document = {"version": 1, "rules": [{"id": "r", "tag": OWN_TAG, "when": tree}]}
    (rule,) = compile_rules(validate_rules(document)).rules
    return trace(
        rule.when,
        facts=make_facts(customer, TODAY.toordinal()),
        customer=customer,
        own_tags=frozenset({fold(OWN_TAG)}),
        spelling={fold(tag): tag for tag in customer.tags},
    )


def _every_condition() -> Iterator[tuple[str, Condition]]:
    for field in FIELDS.values():
        for op in OPERATORS[field.type].values():
            value = _operand(field, op.operand_type)
            yield f"{field.name} {op.name}", Condition(field=field.name, op=op.name, value=value)


def _operand(field: Field, operand_type: OperandType) -> Any:
    if field.name == "gender" and operand_type in {OperandType.CHOICE, OperandType.CHOICE_LIST}:
        return "female" if operand_type is OperandType.CHOICE else ("female",)
    return OPERANDS[operand_type]


CONDITIONS = dict(_every_condition())

FULL = Customer(
    id=1,
    total_spent=9_000_000_0000,
    orders_count=3,
    tags=("Khách sỉ", OWN_TAG),
    created_ms=moment(date(2026, 6, 1)),
    last_order_ms=moment(date(2026, 10, 1)),
    birthday_ms=moment(date(1990, 11, 29)),
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
)
DIFFERENT = Customer(
    id=1,
    total_spent=10_000_000_0000,
    orders_count=9,
    tags=("blacklist", "Khách sỉ"),
    created_ms=moment(date(2026, 9, 1)),
    last_order_ms=moment(date(2026, 1, 1)),
    birthday_ms=moment(date(1988, 5, 1)),
    gender=1,
    accepts_marketing=False,
    verified_email=False,
    first_name="Bình",
)
EMPTY = Customer(id=1)
CUSTOMERS = {"full": FULL, "different": DIFFERENT, "empty": EMPTY}
