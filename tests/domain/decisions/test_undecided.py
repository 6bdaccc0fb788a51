"""A rule that reads a field which the record lacks decides nothing: its tags stay, and every other rule decides."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service.domain.customers.customer import Customer, MissingField, MissingReason
from service.domain.decisions.decide import Decision, decide
from service.domain.decisions.rollback import decide_with_restores
from service.domain.decisions.state import CustomerState, Hold, Ownership, UndoRecord
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.rules.inheritance import NO_INHERITANCE, Inheritance

TODAY = 740_000
BIG = {"field": "total_spent", "op": "at_least", "value": 100}
BOUGHT = {"field": "orders_count", "op": "at_least", "value": 1}


def rule(rule_id: str, tag: str, when: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": rule_id, "tag": tag, "when": when, **more}


def customer(*tags: str, orders: int = 1, missing: str = "total_spent") -> Customer:
    """A customer whose record lacks a field; by default its total."""
    lacking = tuple(MissingField(key, MissingReason.ABSENT) for key in missing.split())
    return Customer(id=1, orders_count=orders, tags=tags, missing=lacking)


def owned(tag: str, rule_id: str, version: int = 1) -> dict[str, Ownership]:
    return {tag.lower(): Ownership(tag, rule_id, 0, version)}


def decided(
    *rules: dict[str, Any],
    of: Customer,
    tiers: tuple[dict[str, Any], ...] = (),
    state: CustomerState = CustomerState(),  # noqa: B008 - frozen
    inheritance: Inheritance = NO_INHERITANCE,
) -> Decision:
    compiled = compile_rules(validate_rules({"rules": [*rules], "tiers": [*tiers]}), inheritance=inheritance)
    decision = decide(rules=compiled, customer=of, state=state, today=TODAY, now_ms=0, version=2)
    assert not decision.state.restores
    return decision


def changes(decision: Decision) -> tuple[set[str], set[str]]:
    return set(decision.change.add), set(decision.change.remove)


@pytest.mark.parametrize("owns", ["added", "all"])
@pytest.mark.parametrize("when", [BIG, {"not": BIG}, {"any": [BOUGHT, BIG]}, {"all": [BOUGHT, BIG]}])
@pytest.mark.parametrize("tags", [(), ("VIP",)])
def test_the_tag_of_an_undecided_rule_stays_as_it_is(
    tags: tuple[str, ...], when: dict[str, Any], owns: str
) -> None:
    state = CustomerState(owned("VIP", "vip") if tags else {})

    decision = decided(rule("vip", "VIP", when, owns=owns), of=customer(*tags), state=state)

    assert not decision.change
    assert decision.state is state
    assert [(item.effect, item.cause) for item in decision.outcomes] == [("retain", "undecided")] * len(tags)


def test_every_other_rule_decides() -> None:
    decision = decided(
        rule("vip", "VIP", BIG),
        rule("fan", "Fan", BOUGHT),
        rule("old", "Old", {"not": BOUGHT}),
        of=customer("VIP", "Old"),
        state=CustomerState(owned("VIP", "vip") | owned("Old", "old")),
    )

    assert changes(decision) == ({"Fan"}, {"Old"})


def test_a_field_that_no_rule_reads_does_not_matter() -> None:
    decision = decided(rule("fan", "Fan", BOUGHT), of=customer(missing="birthday note"))

    assert changes(decision) == ({"Fan"}, set())


@pytest.mark.parametrize(("field", "missing"), [("age", "birthday"), ("avg_order_value", "orders_count")])
@pytest.mark.parametrize("op", ["is_empty", "is_not_empty"])
def test_a_derived_field_is_missing_with_what_it_is_made_of(field: str, missing: str, op: str) -> None:
    decision = decided(rule("r", "R", {"field": field, "op": op}), of=customer(missing=missing))

    assert not decision.change


@pytest.mark.parametrize("missing", ["default_address", "province", "province_code"])
def test_a_rule_on_the_province_reads_the_name_and_the_code(missing: str) -> None:
    away = {"field": "province", "op": "is_not", "value": "Hà Nội"}

    assert not decided(rule("r", "R", away), of=customer(missing=missing)).change
    assert decided(rule("r", "R", away), of=customer(missing="district ward")).change


@pytest.mark.parametrize("tags", [(), ("VIP",)])
@pytest.mark.parametrize(("orders", "gives"), [(1, True), (0, False)])
def test_of_two_rules_on_one_tag_the_one_that_matches_decides_and_otherwise_the_tag_stays(
    orders: int, gives: bool, tags: tuple[str, ...]
) -> None:
    decision = decided(
        rule("vip", "VIP", BIG),
        rule("too", "VIP", BOUGHT),
        of=customer(*tags, orders=orders),
        state=CustomerState(owned("VIP", "too") if tags else {}),
    )

    assert changes(decision) == ({"VIP"} if gives and not tags else set(), set())
    if gives:
        assert decision.state.ownership["vip"].rule == "too"


def test_a_condition_on_tags_sees_the_tag_of_an_undecided_rule_as_the_record_has_it() -> None:
    rules = (
        rule("vip", "VIP", BIG),
        rule("reader", "Seen", {"field": "tags", "op": "has_any", "value": ["VIP"]}),
        rule("chain", "Chain", {"field": "tags", "op": "has_any", "value": ["Seen"]}),
    )

    assert changes(decided(*rules, of=customer("VIP"))) == ({"Seen", "Chain"}, set())
    assert changes(decided(*rules, of=customer())) == (set(), set())


LEVELS = {
    "id": "hang",
    "levels": [{"tag": "Gold", "when": BIG}, {"tag": "Silver", "when": BOUGHT}],
}


@pytest.mark.parametrize("downgrade", ["at_once", "never", {"after": "90 days"}])
@pytest.mark.parametrize("tags", [(), ("Gold",), ("Gold", "Silver")])
def test_a_tier_of_which_one_level_reads_a_missing_field_decides_nothing(
    tags: tuple[str, ...], downgrade: Any
) -> None:
    holds = {"hang": Hold("gold", TODAY - 100, TODAY - 91, 1)} if tags and downgrade != "at_once" else {}
    state = CustomerState(holds=holds)

    decision = decided(of=customer(*tags), tiers=({**LEVELS, "downgrade": downgrade},), state=state)

    assert not decision.change
    assert decision.state is state
    assert decision.next_change is None


def test_a_hold_of_an_undecided_rule_stays_and_goes_on() -> None:
    kept = rule("vip", "VIP", BIG, keep="30 days")
    state = CustomerState(owned("VIP", "vip"), {"vip": Hold("vip", TODAY - 31)})

    while_missing = decided(kept, of=customer("VIP"), state=state)
    afterwards = decided(kept, of=Customer(id=1, total_spent=0, tags=("VIP",)), state=while_missing.state)

    assert while_missing.state is state
    assert changes(afterwards) == (set(), {"VIP"})


def test_an_exclusion_counts_more_than_a_missing_field() -> None:
    state = CustomerState(owned("VIP", "vip"), excluded_rules=frozenset({"vip"}))

    (outcome,) = decided(rule("vip", "VIP", BIG), of=customer("VIP"), state=state).outcomes

    assert (outcome.effect, outcome.cause) == ("retain", "excluded")


@pytest.mark.parametrize("when_gone", ["leave", "remove"])
def test_the_former_tag_of_an_undecided_rule_stays_until_the_rule_is_decided(when_gone: str) -> None:
    renamed = rule("vip", "Khách VIP", BIG, when_gone=when_gone)
    state = CustomerState(owned("VIP", "vip"))

    assert not decided(renamed, of=customer("VIP"), state=state).change
    complete = Customer(id=1, total_spent=100_0000, tags=("VIP",))
    removed = {"VIP"} if when_gone == "remove" else set()
    assert changes(decided(renamed, of=complete, state=state)) == ({"Khách VIP"}, removed)


def test_the_tag_of_a_deleted_rule_is_removed_whatever_is_missing() -> None:
    decision = decided(
        rule("vip", "VIP", BIG),
        of=customer("Old"),
        state=CustomerState(owned("Old", "old")),
        inheritance=Inheritance({"old": "remove"}),
    )

    assert changes(decision) == (set(), {"Old"})


def test_a_roll_back_restores_a_tag_whose_rule_is_undecided() -> None:
    undo = UndoRecord("VIP", Ownership("VIP", "vip", 0, 1), {}, 3)
    compiled = compile_rules(validate_rules({"rules": [rule("vip", "VIP", BIG)]}))

    decision = decide_with_restores(
        rules=compiled,
        customer=customer(),
        state=CustomerState(restores={"vip": undo}),
        today=TODAY,
        now_ms=0,
        version=3,
    )

    assert changes(decision) == ({"VIP"}, set())


@pytest.mark.parametrize("tiers", [(), (LEVELS,)], ids=["a rule", "a tier"])
def test_a_roll_back_takes_back_a_tag_whose_rule_is_undecided(tiers: tuple[dict[str, Any], ...]) -> None:
    tag, rule_id = ("Gold", "hang") if tiers else ("VIP", "vip")
    state = CustomerState(owned(tag, rule_id, version=2), {rule_id: Hold(tag.lower(), TODAY - 1)})

    decision = decided(
        rule("vip", "VIP", BIG, keep="30 days"),
        of=customer(tag),
        tiers=tuple({**tier, "downgrade": "never"} for tier in tiers),
        state=state,
        inheritance=Inheritance(revoked_grants=frozenset({(rule_id, 2)}), rolled_back=frozenset({2})),
    )

    assert changes(decision) == (set(), {tag})
    assert (decision.state.ownership, decision.state.holds) == ({}, {})


def test_a_hold_of_a_decided_rule_moves_to_the_new_name_of_its_tag_beside_an_undecided_rule() -> None:
    moved = rule("fan", "VIP", {"not": BOUGHT}, keep="30 days", when_gone="remove")
    state = CustomerState(owned("Fan", "fan"), {"fan": Hold("fan", TODAY - 1)})

    decision = decided(rule("vip", "VIP", BIG), moved, of=customer("Fan"), state=state)

    assert changes(decision) == ({"VIP"}, {"Fan"})
    assert decision.state.holds == {"fan": Hold("vip", TODAY - 1)}


def test_a_hold_ends_with_its_tag_also_while_its_rule_is_undecided() -> None:
    kept = rule("vip", "VIP", BIG, keep="30 days")
    state = CustomerState(owned("VIP", "vip"), {"vip": Hold("vip", TODAY - 1)})

    assert decided(kept, of=customer(), state=state).state.holds == {}


def test_deciding_again_with_the_field_there_is_deciding_without_any_gap() -> None:
    vip = rule("vip", "VIP", BIG)
    gap = decided(vip, of=customer())
    complete = msgspec.structs.replace(customer(), total_spent=100_0000, missing=())

    assert changes(decided(vip, of=complete, state=gap.state)) == ({"VIP"}, set())
