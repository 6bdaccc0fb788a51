"""The fast path and the whole decision give the same answer."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.tags import apply_change, tag_set
from service.domain.decisions.decide import Decision, decide, decide_by_steps
from service.domain.decisions.fast_path import fast_path
from service.domain.decisions.state import CustomerState, Hold, Ownership
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.rules.inheritance import NO_INHERITANCE, Inheritance, inherit
from tests.reference import strategies
from tests.reference.strategies import likely

TODAY = date(2048, 3, 1)
DOCUMENTS = strategies.documents()
LIKELY = strategies.documents(whens=likely)


def decide_both_ways(
    compiled: CompiledRules, customer: Customer, state: CustomerState, today: date
) -> tuple[Decision, Decision]:
    now_ms = strategies.moment(today, 12, compiled.rule_set.timezone)
    day = today.toordinal()
    fast = decide(rules=compiled, customer=customer, state=state, today=day, now_ms=now_ms, version=4)
    facts = compiled.build_facts(customer, day)
    whole = decide_by_steps(
        rules=compiled, customer=customer, state=state, facts=facts, now_ms=now_ms, version=4
    )
    return fast, whole


def by_tag(decision: Decision) -> Decision:
    """Sort the outcomes: the fast path lists the tags that no rule gives first, whatever the order of the rules."""
    ordered = sorted(decision.outcomes, key=lambda outcome: (outcome.tag, outcome.effect, outcome.rule))
    return msgspec.structs.replace(decision, outcomes=tuple(ordered))


def check(compiled: CompiledRules, customer: Customer, state: CustomerState, today: date) -> Decision:
    fast, whole = decide_both_ways(compiled, customer, state, today)

    assert by_tag(fast) == by_tag(whole)
    assert (fast.state is state) is (whole.state is state)
    return fast


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_both_ways_decide_alike_for_any_customer(data: st.DataObject) -> None:
    doc, today = data.draw(DOCUMENTS), data.draw(strategies.DAYS)
    state = data.draw(st.one_of(st.just(CustomerState()), strategies.customer_states(doc["timezone"], today)))
    compiled = compile_rules(validate_rules(doc), inheritance=data.draw(strategies.INHERITANCES))

    check(compiled, data.draw(strategies.customers(doc["timezone"])), state, today)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_both_ways_decide_alike_after_an_edit(data: st.DataObject) -> None:
    doc, today = data.draw(LIKELY), data.draw(strategies.DAYS)
    customer, state, inheritance = (
        data.draw(strategies.customers(doc["timezone"])),
        CustomerState(),
        NO_INHERITANCE,
    )
    rule_set = validate_rules(doc)
    for _ in range(3):
        compiled = compile_rules(rule_set, inheritance=inheritance)
        decision = check(compiled, customer, state, today)
        tags = apply_change(tag_set(customer.tags), decision.change).names
        customer, state = msgspec.structs.replace(customer, tags=tags), decision.state
        check(compiled, customer, state, today)
        doc = data.draw(strategies.edited(doc))
        before, rule_set = rule_set, validate_rules(doc)
        inheritance = inherit(inheritance, before=before, after=rule_set)


RULES = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10}}
  - {id: fan, tag: Fan, keep: 30 days, when: {field: orders_count, op: at_least, value: 3}}
  - {id: both, tag: Both, when: {field: tags, op: has_all, value: [VIP, X]}}
tiers:
  - id: t
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50}}
"""
OWNED_GOLD = {"gold": Ownership("Gold", "t", 0, 1)}
OWNED_VIP = {"vip": Ownership("VIP", "vip", 0, 1)}


@pytest.mark.parametrize(
    ("customer", "state", "expected"),
    [
        (Customer(id=1, total_spent=0), CustomerState(), True),
        (Customer(id=1, total_spent=50_0000, tags=("VIP",)), CustomerState(OWNED_VIP), True),
        (Customer(id=1, total_spent=0, tags=("X", "Gold")), CustomerState(), True),
        (Customer(id=1, tags=("Old",)), CustomerState({"old": Ownership("Old", "deleted", 0, 1)}), True),
        (Customer(id=1, total_spent=0, tags=("X", "Gold")), CustomerState(OWNED_GOLD), True),
        (Customer(id=1, tags=("Old",)), CustomerState({"old": Ownership("Old", "removed", 0, 1)}), True),
        (Customer(id=1, total_spent=10_0000), CustomerState(), False),
        (Customer(id=1, total_spent=0, tags=("VIP",)), CustomerState(OWNED_VIP), False),
        (Customer(id=1, total_spent=0, orders_count=3), CustomerState(), False),
        (Customer(id=1, total_spent=0), CustomerState(holds={"fan": Hold("fan", 1)}), False),
    ],
    ids=[
        "nothing to do",
        "a tier's level is added",
        "somebody else added the tag",
        "the tag of a deleted rule that leaves it",
        "our level is removed",
        "the tag of a deleted rule that removes it",
        "a later rule reads the missing tag",
        "a later rule reads the removed tag",
        "a hold begins",
        "a hold ends",
    ],
)
def test_the_fast_path_answers_where_no_hold_changes_and_no_rule_reads_a_change(
    customer: Customer, state: CustomerState, *, expected: bool
) -> None:
    compiled = compile_rules(
        parse_rules(RULES), inheritance=Inheritance(orphan_policies={"deleted": "leave", "removed": "remove"})
    )
    facts = compiled.build_facts(customer, TODAY.toordinal())

    assert (fast_path(compiled, facts, state) is not None) is expected
    check(compiled, customer, state, TODAY)
