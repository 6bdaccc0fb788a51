"""The decision agrees with the second opinion, day after day, whatever happens to the customer in between."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.tags import apply_change, fold, tag_set
from service.domain.decisions.decide import Decision, decide
from service.domain.decisions.state import CustomerState
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.rules.inheritance import NO_INHERITANCE, Inheritance, inherit, inherit_rollback
from tests.reference import naive, strategies
from tests.reference.matching import Person, local_day
from tests.reference.naive import Kept


def as_kept(standing: CustomerState, zone: str) -> Kept:
    owned = {
        key: [own.tag, own.rule, local_day(own.since_ms, zone).toordinal(), own.version]
        for key, own in standing.ownership.items()
    }
    held = {
        one: [hold.tag_key, hold.since_day, hold.below_since, hold.observed_by]
        for one, hold in standing.holds.items()
    }
    return Kept(owned, held, set(standing.excluded_rules))


def as_person(customer: Customer) -> Person:
    return Person(**{one.name: getattr(customer, one.name) for one in fields(Person)})


def second_opinion(
    doc: dict[str, Any],
    customer: Customer,
    standing: CustomerState,
    today: date,
    version: int,
    past: Inheritance,
) -> naive.Outcome:
    return naive.decide(
        doc=doc,
        customer=as_person(customer),
        kept=as_kept(standing, doc["timezone"]),
        today=today,
        version=version,
        gone=past.orphan_policies,
        undone=set(past.revoked_grants),
        blind=set(past.rolled_back),
    )


def ask(
    compiled: CompiledRules, customer: Customer, standing: CustomerState, today: date, version: int
) -> Decision:
    return decide(
        rules=compiled,
        customer=customer,
        state=standing,
        today=today.toordinal(),
        now_ms=strategies.moment(today, 12, compiled.rule_set.timezone),
        version=version,
    )


def check_agreement(
    doc: dict[str, Any],
    compiled: CompiledRules,
    customer: Customer,
    standing: CustomerState,
    today: date,
    version: int,
    past: Inheritance,
) -> tuple[Customer, CustomerState]:
    """Both agree; deciding again changes nothing; nothing changes before the day that was promised."""
    decision = ask(compiled, customer, standing, today, version)
    second = second_opinion(doc, customer, standing, today, version, past)

    assert {fold(tag) for tag in decision.change.add} == second.add
    assert {fold(tag) for tag in decision.change.remove} == second.remove
    assert {fold(tag) for tag in decision.wanted} == second.wanted
    assert as_kept(decision.state, doc["timezone"]) == second.kept
    assert set(decision.change.remove) <= set(customer.tags)
    done = msgspec.structs.replace(customer, tags=apply_change(tag_set(customer.tags), decision.change).names)
    again = ask(compiled, done, decision.state, today, version)
    assert not again.change
    assert again.state is decision.state
    assert again.wanted == decision.wanted
    assert again.next_change == decision.next_change
    assert decision.next_change is None or decision.next_change > today.toordinal()
    check_promise(doc, done, decision, today, version, past)
    return done, decision.state


def check_promise(
    doc: dict[str, Any], customer: Customer, decision: Decision, today: date, version: int, past: Inheritance
) -> None:
    """The second opinion, asked on later days, finds nothing to do before `next_change`."""
    end = decision.next_change or (today.toordinal() + 400)
    spread = sorted({today.toordinal() + 1, today.toordinal() + 28, end - 1, (today.toordinal() + end) // 2})
    for ordinal in spread:
        if today.toordinal() < ordinal < end:
            later = second_opinion(doc, customer, decision.state, date.fromordinal(ordinal), version, past)
            assert not later.add | later.remove
            assert later.wanted == {fold(tag) for tag in decision.wanted}
            assert later.kept == as_kept(decision.state, doc["timezone"])


def any_customer(data: st.DataObject) -> None:
    doc = data.draw(strategies.documents())
    today = data.draw(strategies.DAYS)
    customer = data.draw(strategies.customers(doc["timezone"]))
    standing = data.draw(strategies.customer_states(doc["timezone"], today))
    past = data.draw(strategies.INHERITANCES)
    compiled = compile_rules(validate_rules(doc), inheritance=past)

    check_agreement(doc, compiled, customer, standing, today, 4, past)


@dataclass
class Shop:
    """A shop with one customer, living through days and versions."""

    doc: dict[str, Any]
    customer: Customer
    today: date
    standing: CustomerState = field(default_factory=CustomerState)
    version: int = 1
    past: Inheritance = NO_INHERITANCE

    def publish(self, doc: dict[str, Any]) -> None:
        before, now = validate_rules(self.doc), validate_rules(doc)
        self.past = inherit(self.past, before=before, after=now)
        self.doc, self.version = doc, self.version + 1

    def roll_back(self, doc: dict[str, Any]) -> None:
        undone = {self.version: validate_rules(self.doc)}
        self.publish(doc)
        self.past = inherit_rollback(self.past, undone=undone, restored=validate_rules(doc))

    def live_a_day(self) -> None:
        compiled = compile_rules(validate_rules(self.doc), inheritance=self.past)
        self.customer, self.standing = check_agreement(
            self.doc, compiled, self.customer, self.standing, self.today, self.version, self.past
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
            shop.standing = CustomerState(shop.standing.ownership, shop.standing.holds, ids)
        case "publish":
            shop.publish(same_zone(data.draw(strategies.documents()), zone))
        case "roll back":
            shop.roll_back(same_zone(data.draw(strategies.documents()), zone))
        case _:
            shop.today += timedelta(days=data.draw(st.sampled_from((1, 4, 5, 29, 31))))


def same_zone(doc: dict[str, Any], zone: str) -> dict[str, Any]:
    return {**doc, "timezone": zone}


def a_life(data: st.DataObject) -> None:
    doc = data.draw(strategies.documents())
    shop = Shop(doc, data.draw(strategies.customers(doc["timezone"])), data.draw(strategies.DAYS))

    for _ in range(data.draw(st.integers(2, 7))):
        shop.live_a_day()
        happen(shop, data)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_customer_with_any_standing_is_decided_as_the_second_opinion_says(data: st.DataObject) -> None:
    any_customer(data)


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_customers_life_is_decided_as_the_second_opinion_says(data: st.DataObject) -> None:
    a_life(data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(data=st.data())
@settings(max_examples=2000, deadline=None)
def test_two_thousand_customers_are_decided_as_the_second_opinion_says(data: st.DataObject) -> None:
    any_customer(data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_five_hundred_lives_are_decided_as_the_second_opinion_says(data: st.DataObject) -> None:
    a_life(data)


def test_a_tag_that_one_rule_follows_to_and_another_holds_by_itself_is_held_by_both() -> None:
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
    shop.live_a_day()

    shop.publish({**head, "rules": [moved, kept]})
    shop.live_a_day()

    assert shop.customer.tags == ("B",)
    assert set(shop.standing.holds) == {"r0", "r1"}
