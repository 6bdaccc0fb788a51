"""The decision agrees with the independent evaluator, day after day, whatever happens in between."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.records import parse_record
from service.domain.customers.tags import apply_change, fold, tag_set
from service.domain.decisions.decide import Decision, decide
from service.domain.decisions.state import CustomerState
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.rules.inheritance import NO_INHERITANCE, Inheritance, inherit, inherit_rollback
from tests.reference import evaluator, hostile, strategies
from tests.reference.conditions import Record, local_day
from tests.reference.evaluator import State


def plain_state(state: CustomerState, zone: str) -> State:
    ownership = {
        key: [own.tag, own.rule, local_day(own.since_ms, zone).toordinal(), own.version]
        for key, own in state.ownership.items()
    }
    holds = {
        rule: [hold.tag_key, hold.since_day, hold.below_since, hold.observed_by]
        for rule, hold in state.holds.items()
    }
    return State(ownership, holds, set(state.excluded_rules))


def plain_record(customer: Customer) -> Record:
    values = {field.name: getattr(customer, field.name) for field in fields(Record)}
    return Record(**values | {"missing": frozenset(field.key for field in customer.missing)})


def evaluate(
    doc: dict[str, Any],
    customer: Customer,
    state: CustomerState,
    today: date,
    version: int,
    inheritance: Inheritance,
) -> evaluator.Expected:
    return evaluator.decide(
        doc=doc,
        customer=plain_record(customer),
        state=plain_state(state, doc["timezone"]),
        today=today,
        version=version,
        orphan_policies=inheritance.orphan_policies,
        revoked=set(inheritance.revoked_grants),
        rolled_back=set(inheritance.rolled_back),
    )


def decide_on(
    compiled: CompiledRules, customer: Customer, state: CustomerState, today: date, version: int
) -> Decision:
    return decide(
        rules=compiled,
        customer=customer,
        state=state,
        today=today.toordinal(),
        now_ms=strategies.moment(today, 12, compiled.rule_set.timezone),
        version=version,
    )


def check_agreement(
    doc: dict[str, Any],
    compiled: CompiledRules,
    customer: Customer,
    state: CustomerState,
    today: date,
    version: int,
    inheritance: Inheritance,
) -> tuple[Customer, CustomerState]:
    """Both agree, deciding again changes nothing, and nothing changes before `next_change`."""
    decision = decide_on(compiled, customer, state, today, version)
    expected = evaluate(doc, customer, state, today, version, inheritance)

    assert {fold(tag) for tag in decision.change.add} == expected.add
    assert {fold(tag) for tag in decision.change.remove} == expected.remove
    assert {fold(tag) for tag in decision.wanted} == expected.wanted
    assert plain_state(decision.state, doc["timezone"]) == expected.state
    assert set(decision.change.remove) <= set(customer.tags)
    done = msgspec.structs.replace(customer, tags=apply_change(tag_set(customer.tags), decision.change).names)
    again = decide_on(compiled, done, decision.state, today, version)
    assert not again.change
    assert again.state is decision.state
    assert again.wanted == decision.wanted
    assert again.next_change == decision.next_change
    assert decision.next_change is None or decision.next_change > today.toordinal()
    check_next_change(doc, done, decision, today, version, inheritance)
    return done, decision.state


def check_next_change(
    doc: dict[str, Any],
    customer: Customer,
    decision: Decision,
    today: date,
    version: int,
    inheritance: Inheritance,
) -> None:
    """The evaluator changes nothing on any later day before `next_change`."""
    end = decision.next_change or (today.toordinal() + 400)
    later_days = sorted(
        {today.toordinal() + 1, today.toordinal() + 28, end - 1, (today.toordinal() + end) // 2}
    )
    for ordinal in later_days:
        if today.toordinal() < ordinal < end:
            later = evaluate(doc, customer, decision.state, date.fromordinal(ordinal), version, inheritance)
            assert not later.add | later.remove
            assert later.wanted == {fold(tag) for tag in decision.wanted}
            assert later.state == plain_state(decision.state, doc["timezone"])


def check_any_customer(data: st.DataObject) -> None:
    doc = data.draw(strategies.documents())
    today = data.draw(strategies.DAYS)
    customer = data.draw(strategies.customers(doc["timezone"]))
    state = data.draw(strategies.customer_states(doc["timezone"], today))
    inheritance = data.draw(strategies.INHERITANCES)
    compiled = compile_rules(validate_rules(doc), inheritance=inheritance)

    check_agreement(doc, compiled, customer, state, today, 4, inheritance)


@dataclass
class Shop:
    """A shop with one customer, through days and versions."""

    doc: dict[str, Any]
    customer: Customer
    today: date
    state: CustomerState = field(default_factory=CustomerState)
    version: int = 1
    inheritance: Inheritance = NO_INHERITANCE

    def publish(self, doc: dict[str, Any]) -> None:
        before, now = validate_rules(self.doc), validate_rules(doc)
        self.inheritance = inherit(self.inheritance, before=before, after=now)
        self.doc, self.version = doc, self.version + 1

    def roll_back(self, doc: dict[str, Any]) -> None:
        undone = {self.version: validate_rules(self.doc)}
        self.publish(doc)
        self.inheritance = inherit_rollback(self.inheritance, undone=undone, restored=validate_rules(doc))

    def check_day(self) -> None:
        compiled = compile_rules(validate_rules(self.doc), inheritance=self.inheritance)
        self.customer, self.state = check_agreement(
            self.doc, compiled, self.customer, self.state, self.today, self.version, self.inheritance
        )


def happen(shop: Shop, data: st.DataObject) -> None:
    """Something happens to the customer or the rules."""
    zone = shop.doc["timezone"]
    match data.draw(st.sampled_from(("spend", "retag", "exclude", "publish", "roll back", "wait", "wait"))):
        case "spend":
            other = data.draw(strategies.customers(zone))
            shop.customer = msgspec.structs.replace(other, tags=shop.customer.tags)
        case "retag":
            tags = data.draw(st.lists(st.sampled_from((*shop.customer.tags, *strategies.OURS)), max_size=5))
            shop.customer = msgspec.structs.replace(shop.customer, tags=strategies.unique(tags))
        case "exclude":
            ids = data.draw(st.frozensets(st.sampled_from((*strategies.IDS, "t0")), max_size=1))
            shop.state = CustomerState(shop.state.ownership, shop.state.holds, ids)
        case "publish":
            shop.publish(same_zone(data.draw(strategies.documents()), zone))
        case "roll back":
            shop.roll_back(same_zone(data.draw(strategies.documents()), zone))
        case _:
            shop.today += timedelta(days=data.draw(st.sampled_from((1, 4, 5, 29, 31))))


def same_zone(doc: dict[str, Any], zone: str) -> dict[str, Any]:
    return {**doc, "timezone": zone}


def check_any_history(data: st.DataObject) -> None:
    doc = data.draw(strategies.documents())
    shop = Shop(doc, data.draw(strategies.customers(doc["timezone"])), data.draw(strategies.DAYS))

    for _ in range(data.draw(st.integers(2, 7))):
        shop.check_day()
        happen(shop, data)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_evaluator_agrees_for_any_customer_in_any_state(data: st.DataObject) -> None:
    check_any_customer(data)


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_the_evaluator_agrees_for_any_history(data: st.DataObject) -> None:
    check_any_history(data)


def check_any_body(data: st.DataObject) -> None:
    """A record is read as the table of values says, and decided on as far as its fields allow."""
    doc = data.draw(strategies.documents())
    today = data.draw(strategies.DAYS)
    tags = st.lists(st.sampled_from((*strategies.OURS, *strategies.LEVELS, "X")), max_size=4)
    body, expected = data.draw(hostile.bodies(tags))
    state = data.draw(strategies.customer_states(doc["timezone"], today))
    compiled = compile_rules(validate_rules(doc))

    customer = parse_record(json.dumps(body).encode()).customer

    assert plain_record(customer) == expected
    check_agreement(doc, compiled, customer, state, today, 4, NO_INHERITANCE)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_evaluator_agrees_for_records_with_any_field_missing_hostile_or_huge(data: st.DataObject) -> None:
    check_any_body(data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(data=st.data())
@settings(max_examples=1000, deadline=None)
def test_the_evaluator_agrees_for_a_thousand_odd_records(data: st.DataObject) -> None:
    check_any_body(data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(data=st.data())
@settings(max_examples=2000, deadline=None)
def test_the_evaluator_agrees_for_two_thousand_customers(data: st.DataObject) -> None:
    check_any_customer(data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_the_evaluator_agrees_for_five_hundred_histories(data: st.DataObject) -> None:
    check_any_history(data)


def test_a_tag_with_a_renamed_hold_and_a_hold_of_its_own_keeps_both() -> None:
    spent: dict[str, Any] = {"field": "total_spent", "op": "at_least", "value": 0}
    head: dict[str, Any] = {
        "version": 1,
        "timezone": "Asia/Ho_Chi_Minh",
        "currency": "VND",
        "tiers": [],
    }
    gives_a = {"id": "r0", "tag": "A", "when": {"not": spent}, "keep": "forever"}
    gives_b = {"id": "r1", "tag": "B", "when": {"not": spent}}
    moved = {"id": "r0", "tag": "B", "when": spent, "keep": "forever", "when_gone": "remove"}
    kept = {"id": "r1", "tag": "B", "when": spent, "keep": "forever"}
    shop = Shop({**head, "rules": [gives_a, gives_b]}, Customer(id=1), date(2047, 12, 1))
    shop.check_day()

    shop.publish({**head, "rules": [moved, kept]})
    shop.check_day()

    assert shop.customer.tags == ("B",)
    assert set(shop.state.holds) == {"r0", "r1"}
