"""The decision about one customer, day after day and version after version."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from service.domain.customers.customer import Customer
from service.domain.customers.tags import apply_change, tag_set
from service.domain.decisions.builder import DecisionBuilder
from service.domain.decisions.decide import Decision, decide
from service.domain.decisions.state import CustomerState, Ownership
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.engine.evidence import NO_INPUTS
from service.domain.rules.inheritance import NO_INHERITANCE, Inheritance, inherit, inherit_rollback
from tests.reference.strategies import moment

ZONE = "Asia/Ho_Chi_Minh"
START = date(2026, 1, 1)
BIG = {"field": "total_spent", "op": "at_least", "value": 100}


class Shop:
    """A shop with one customer. `decide` also writes the tags and stores the state."""

    def __init__(
        self, *rules: dict[str, Any], tiers: tuple[dict[str, Any], ...] = (), tags: tuple[str, ...] = ()
    ) -> None:
        self.doc: dict[str, Any] = {"rules": [*rules], "tiers": [*tiers]}
        self.customer = Customer(id=1, total_spent=0, orders_count=1, tags=tags)
        self.state = CustomerState()
        self.today = START
        self.version = 1
        self.inheritance = NO_INHERITANCE

    def decide(self, *, spent: int | None = None, days: int = 0) -> Decision:
        if spent is not None:
            self.customer = msgspec.structs.replace(self.customer, total_spent=spent * 10_000)
        self.today += timedelta(days=days)
        decision = decide(
            rules=compile_rules(validate_rules(self.doc), inheritance=self.inheritance),
            customer=self.customer,
            state=self.state,
            today=self.today.toordinal(),
            now_ms=moment(self.today, 10, ZONE),
            version=self.version,
        )
        self.set_tags(*apply_change(tag_set(self.customer.tags), decision.change).names)
        self.state = decision.state
        return decision

    def set_tags(self, *tags: str) -> None:
        self.customer = msgspec.structs.replace(self.customer, tags=tags)

    def publish(self, *rules: dict[str, Any], undone: bool = False) -> None:
        before, doc = self.doc, {"rules": [*rules], "tiers": self.doc["tiers"]}
        self.inheritance = inherit(self.inheritance, before=validate_rules(before), after=validate_rules(doc))
        if undone:
            self.inheritance = inherit_rollback(
                self.inheritance, undone={self.version: validate_rules(before)}, restored=validate_rules(doc)
            )
        self.doc, self.version = doc, self.version + 1

    def exclude(self, *ids: str) -> None:
        self.state = CustomerState(self.state.ownership, self.state.holds, frozenset(ids))

    @property
    def tags(self) -> set[str]:
        return set(self.customer.tags)


def rule(rule_id: str = "vip", tag: str = "VIP", when: dict[str, Any] = BIG, **more: Any) -> dict[str, Any]:
    return {"id": rule_id, "tag": tag, "when": when, **more}


def effects(decision: Decision) -> list[tuple[str, str, str]]:
    return [(outcome.effect, outcome.tag, outcome.cause) for outcome in decision.outcomes]


def spent(low: int) -> dict[str, Any]:
    return {**BIG, "value": low}


def tier(**more: Any) -> dict[str, Any]:
    levels = [{"tag": "Gold", "when": spent(500)}, {"tag": "Silver", "when": spent(100)}]
    return {"id": "hang", "levels": levels, **more}


def test_a_tag_is_added_and_removed_with_its_rule() -> None:
    shop = Shop(rule())

    shop.decide(spent=100)
    assert shop.tags == {"VIP"}
    shop.decide(spent=99)
    assert shop.tags == set()
    assert shop.state.ownership == {}


def test_a_tag_that_a_person_added_is_retained_as_not_ours() -> None:
    shop = Shop(rule(), tags=("vip",))

    decision = shop.decide(spent=0)

    assert shop.tags == {"vip"}
    assert effects(decision) == [("retain", "vip", "not_ours")]


def test_a_rule_that_owns_all_removes_the_spelling_of_the_record() -> None:
    shop = Shop(rule(owns="all"), tags=("vip",))

    assert shop.decide(spent=0).change.remove == ("vip",)


def test_a_tag_removed_by_hand_is_added_again_while_its_rule_matches() -> None:
    shop = Shop(rule())
    shop.decide(spent=100)

    shop.set_tags()
    shop.decide()

    assert shop.tags == {"VIP"}


def test_a_tag_removed_by_hand_is_not_added_again_if_only_keep_held_it() -> None:
    shop = Shop(rule(keep="forever"))
    shop.decide(spent=100)
    shop.decide(spent=0)
    shop.set_tags()

    shop.decide()

    assert shop.tags == set()
    assert shop.state.holds == {}


@pytest.mark.parametrize(
    ("keep", "days", "stays"),
    [
        pytest.param("30 days", 29, True, id="the last day of the hold"),
        pytest.param("30 days", 30, False, id="the hold is over"),
        pytest.param("forever", 9999, True, id="for ever"),
        pytest.param("while_matching", 0, False, id="no hold"),
    ],
)
def test_keep_counts_from_the_day_on_which_the_tag_was_added(keep: str, days: int, stays: bool) -> None:
    shop = Shop(rule(keep=keep))
    shop.decide(spent=100)

    shop.decide(spent=0, days=days)

    assert (shop.tags == {"VIP"}) is stays


def test_the_outcome_of_a_hold_has_the_day_on_which_it_ends() -> None:
    shop = Shop(rule(keep="30 days"))
    shop.decide(spent=100)

    decision = shop.decide(spent=0, days=3)

    assert decision.next_change == (START + timedelta(days=30)).toordinal()
    assert decision.retained[0].until == decision.next_change


def test_a_hold_outlives_a_new_version() -> None:
    shop = Shop(rule(keep="30 days"))
    shop.decide(spent=100)
    shop.publish(rule(keep="30 days", when=spent(200)))

    shop.decide(days=29)
    assert shop.tags == {"VIP"}
    shop.decide(days=1)
    assert shop.tags == set()


@pytest.mark.parametrize("days_between", [(40,), (10, 10, 10, 10)], ids=["one decision", "four decisions"])
def test_how_long_a_tag_is_kept_does_not_depend_on_decisions_in_between(
    days_between: tuple[int, ...],
) -> None:
    shop = Shop(rule(keep="30 days", when=spent(500)), rule("second"))
    shop.decide(spent=500)
    shop.decide(spent=100)
    for days in days_between:
        shop.decide(days=days)
    shop.decide(spent=500)

    shop.decide(spent=0)

    assert shop.tags == set()


def test_a_tag_of_two_rules_stays_while_one_of_them_matches() -> None:
    shop = Shop(rule(), rule("second", when=spent(50)))
    shop.decide(spent=100)

    shop.decide(spent=50)
    assert shop.tags == {"VIP"}
    shop.decide(spent=49)
    assert shop.tags == set()


@pytest.mark.parametrize(("policy", "tags"), [("leave", {"VIP"}), ("remove", set())])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param([], id="deleted"),
        pytest.param([{"enabled": False}], id="disabled"),
        pytest.param([{"tag": "Other"}], id="renamed"),
    ],
)
def test_when_gone_decides_about_the_tags_of_a_rule_that_is_gone(
    policy: str, tags: set[str], change: list[dict[str, Any]]
) -> None:
    shop = Shop(rule(when_gone=policy))
    shop.decide(spent=100)

    shop.publish(*({**rule(when_gone=policy), **fields} for fields in change))
    shop.decide()

    assert shop.tags - {"Other"} == tags


def test_when_gone_of_a_deleted_rule_applies_in_later_versions() -> None:
    shop = Shop(rule(when_gone="remove"))
    shop.decide(spent=100)
    shop.publish()
    shop.publish(rule("other", "Other", when=spent(9999)))

    shop.decide()

    assert shop.tags == set()


def test_a_kept_tag_moves_to_the_new_name_of_its_rule() -> None:
    shop = Shop(rule(keep="forever", when_gone="remove"))
    shop.decide(spent=100)
    shop.publish(rule(tag="Gold VIP", keep="forever", when_gone="remove"))

    shop.decide(spent=0)

    assert shop.tags == {"Gold VIP"}


def test_a_live_rule_takes_over_the_tag_of_a_deleted_rule() -> None:
    shop = Shop(rule(), rule("second"))
    shop.decide(spent=100)
    shop.publish(rule("second"))
    shop.decide()

    shop.decide(spent=0)

    assert shop.tags == set()


def test_a_roll_back_revokes_a_tag_that_the_undone_version_added_for_ever() -> None:
    right, wrong = rule(keep="forever"), rule(keep="forever", when=spent(1))
    shop = Shop(right)
    shop.publish(wrong)
    shop.decide(spent=1)
    shop.decide(spent=0)
    assert shop.tags == {"VIP"}

    shop.publish(right, undone=True)
    shop.decide()

    assert shop.tags == set()


def test_a_revoked_tag_that_the_restored_rule_gives_moves_to_that_rule() -> None:
    right, wrong = rule(keep="forever"), rule(keep="forever", when=spent(1))
    shop = Shop(right)
    shop.publish(wrong)
    shop.decide(spent=100)
    shop.publish(right, undone=True)
    shop.decide()

    shop.decide(spent=0)

    assert shop.tags == {"VIP"}


def test_a_roll_back_keeps_the_tags_of_an_unchanged_rule() -> None:
    shop = Shop(rule(keep="forever"))
    shop.publish(rule(keep="forever"), rule("second", "Other"))
    shop.decide(spent=100)

    shop.publish(rule(keep="forever"), undone=True)
    shop.decide(spent=0)

    assert shop.tags == {"VIP"}


def test_an_excluded_customer_neither_gets_nor_loses_the_tag() -> None:
    shop = Shop(rule())
    shop.exclude("vip")
    decision = shop.decide(spent=100)
    assert shop.tags == set()
    assert effects(decision) == [("withhold", "VIP", "excluded")]

    shop.exclude()
    shop.decide()
    shop.exclude("vip")
    shop.decide(spent=0)
    assert shop.tags == {"VIP"}


def test_the_first_level_that_matches_applies_and_the_other_tags_are_removed() -> None:
    shop = Shop(tiers=(tier(),), tags=("silver",))

    decision = shop.decide(spent=500)

    assert shop.tags == {"Gold"}
    assert decision.change.remove == ("silver",)


@pytest.mark.parametrize(
    ("downgrade", "days", "expected"),
    [
        pytest.param("at_once", 0, {"Silver"}, id="at once"),
        pytest.param("never", 9999, {"Gold"}, id="never"),
        pytest.param({"after": "90 days"}, 89, {"Gold"}, id="waiting"),
        pytest.param({"after": "90 days"}, 90, {"Silver"}, id="waited"),
    ],
)
def test_a_downgrade_waits_as_the_tier_says(downgrade: object, days: int, expected: set[str]) -> None:
    shop = Shop(tiers=(tier(downgrade=downgrade),))
    shop.decide(spent=500)
    shop.decide(spent=100)

    shop.decide(days=days)

    assert shop.tags == expected


def test_earning_the_level_again_restarts_the_wait() -> None:
    shop = Shop(tiers=(tier(downgrade={"after": "90 days"}),))
    shop.decide(spent=500)
    shop.decide(spent=100)
    shop.decide(spent=500, days=80)
    shop.decide(spent=100)

    shop.decide(days=80)

    assert shop.tags == {"Gold"}


def test_a_rule_sees_the_tags_that_the_same_decision_adds() -> None:
    reader = rule("reader", "Nice", {"field": "tags", "op": "has_any", "value": ["gold"]})
    shop = Shop(reader, tiers=(tier(),))

    shop.decide(spent=500)

    assert shop.tags == {"Gold", "Nice"}


def test_every_change_has_its_cause_and_the_compared_values() -> None:
    shop = Shop(rule())

    added = shop.decide(spent=100).outcomes
    removed = shop.decide(spent=0).outcomes

    assert [(tag.tag, tag.effect, tag.rule, tag.cause, tag.evidence) for tag in (*added, *removed)] == [
        ("VIP", "add", "vip", "matched", {"total_spent": 100_0000}),
        ("VIP", "remove", "vip", "unmatched", {"total_spent": 0}),
    ]


def test_each_tag_has_one_outcome() -> None:
    shop = Shop(rule(), rule("keeps", "Kept", keep="30 days"), tiers=(tier(),), tags=("silver",))
    shop.decide(spent=100)

    assert effects(shop.decide()) == [
        ("have", "VIP", "matched"),
        ("have", "Kept", "matched"),
        ("have", "Silver", "matched"),
    ]
    assert effects(shop.decide(spent=0)) == [
        ("remove", "VIP", "unmatched"),
        ("retain", "Kept", "kept"),
        ("remove", "silver", "outranked"),
    ]


def test_a_decision_does_not_change_the_facts_that_are_passed_in() -> None:
    compiled = compile_rules(validate_rules({"rules": [rule()]}))
    customer = Customer(id=1, total_spent=100_0000)
    facts = compiled.build_facts(customer, START.toordinal())
    builder = DecisionBuilder(
        rules=compiled, customer=customer, state=CustomerState(), facts=facts, now_ms=0, version=1
    )

    builder.add(tag="VIP", key="vip", rule="vip", cause="matched", inputs=NO_INPUTS)

    assert builder.facts.tags == {"vip"}
    assert facts.tags == frozenset()


def test_evidence_of_personal_fields_only_says_whether_they_have_a_value() -> None:
    shop = Shop(rule(when={"field": "email", "op": "ends_with", "value": "@example.com"}))
    shop.customer = msgspec.structs.replace(shop.customer, email="an@example.com")

    assert shop.decide().outcomes[0].evidence == {"email": True}


def test_the_readers_of_a_key_are_the_live_rules_that_read_it() -> None:
    off = rule("off", "Off", {"field": "birthday", "op": "today"}, enabled=False)
    age = rule("old", "Old", {"field": "age", "op": "at_least", "value": 60})

    readers = compile_rules(validate_rules({"rules": [rule(), off, age], "tiers": [tier()]})).readers

    assert readers == {"tags": {"vip", "old", "hang"}, "total_spent": {"vip", "hang"}, "birthday": {"old"}}


def test_the_tag_of_an_unknown_rule_stays_unless_it_inherits_another_policy() -> None:
    shop = Shop(tags=("Old",))
    shop.state = CustomerState({"old": Ownership("Old", "nobody", 0, 1)})

    assert not shop.decide().change
    shop.inheritance = Inheritance({"nobody": "remove"})
    assert shop.decide().change.remove == ("Old",)
