"""A trace has the answer that the rule itself gives, with the values that were compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer, MissingField, MissingReason
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.engine.predicates import compile_expression
from service.domain.explain.trace import ConditionTrace, GroupTrace, Trace, trace
from service.domain.rules.conditions import Condition
from tests.domain.explain.conditions import (
    CONDITIONS,
    CUSTOMERS,
    EMPTY,
    TODAY,
    ZONE,
    as_authored,
    make_facts,
    trace_of,
)
from tests.reference import strategies


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_trace_and_its_rule_give_the_same_answer(data: st.DataObject) -> None:
    tree = data.draw(strategies.trees(("X", "y", "A")))
    customer, day = data.draw(strategies.complete_customers(ZONE)), data.draw(strategies.DAYS)
    document = {"version": 1, "rules": [{"id": "r", "tag": "Z", "when": tree}]}
    (rule,) = compile_rules(validate_rules(document)).rules
    facts = make_facts(customer, day.toordinal())

    assert trace(rule.when, facts=facts, customer=customer).matched is rule.matches(facts)


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS.keys())
@pytest.mark.parametrize("customer", CUSTOMERS.values(), ids=CUSTOMERS.keys())
def test_every_operator_is_traced_with_its_operand(condition: Condition, customer: Customer) -> None:
    compiled = compile_expression(condition, currency="VND", own_tags=frozenset({"ours"}))

    traced = trace_of(as_authored(condition), customer)

    assert isinstance(traced, ConditionTrace)
    assert traced.condition == condition
    assert traced.matched is compiled.matches(make_facts(customer, TODAY.toordinal()))
    assert (traced.expected is None) is (condition.value is None)


def test_under_not_the_opposite_answer_is_required() -> None:
    traced = trace_of({"not": {"not": {"field": "orders_count", "op": "at_least", "value": 3}}}, EMPTY)

    required = []
    while isinstance(traced, GroupTrace):
        required.append(traced.required)
        (traced,) = traced.parts
    assert [*required, traced.required] == [True, False, True]


BIRTHDAY = {"field": "birthday", "op": "this_month"}
SPENT = {"field": "total_spent", "op": "at_least", "value": 1}


@pytest.mark.parametrize(
    "tree",
    [BIRTHDAY, {"not": BIRTHDAY}, {"all": [SPENT, BIRTHDAY]}, {"any": [SPENT, BIRTHDAY]}],
    ids=["alone", "not", "all", "any"],
)
def test_a_rule_that_reads_a_missing_field_has_no_answer(tree: dict[str, Any]) -> None:
    customer = Customer(
        id=1, total_spent=5_0000, missing=(MissingField("birthday", MissingReason.UNREADABLE),)
    )

    traced = trace_of(tree, customer)

    assert traced.matched is None
    conditions = [*leaves(traced)]
    assert [item.missing for item in conditions if item.condition.field == "birthday"] == ["unreadable"]
    assert [item.matched for item in conditions if item.condition.field == "total_spent"] in ([], [True])


def leaves(traced: Trace) -> Iterator[ConditionTrace]:
    if isinstance(traced, ConditionTrace):
        yield traced
    else:
        for part in traced.parts:
            yield from leaves(part)


@pytest.mark.parametrize(("day", "is_future"), [(TODAY, False), (TODAY + timedelta(days=1), True)])
def test_a_day_in_the_future_is_said_to_be_one(day: date, is_future: bool) -> None:
    customer = Customer(id=1, last_order_ms=strategies.moment(day, 9, ZONE))

    traced = trace_of({"field": "last_order_date", "op": "within_last", "value": "30 days"}, customer)

    assert isinstance(traced, ConditionTrace)
    assert traced.is_future is is_future
    assert traced.matched is not is_future
