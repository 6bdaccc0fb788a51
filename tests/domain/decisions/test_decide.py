"""What becomes of one customer's tags, told in small stories."""

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
    """A shop with one customer; each look decides, writes and remembers."""

    def __init__(
        self, *rules: dict[str, Any], tiers: tuple[dict[str, Any], ...] = (), tags: tuple[str, ...] = ()
    ) -> None:
        self.doc: dict[str, Any] = {"rules": [*rules], "tiers": [*tiers]}
        self.customer = Customer(id=1, total_spent=0, orders_count=1, tags=tags)
        self.standing = CustomerState()
        self.today = START
        self.version = 1
        self.past = NO_INHERITANCE

    def look(self, *, spent: int | None = None, days: int = 0) -> Decision:
        if spent is not None:
            self.customer = msgspec.structs.replace(self.customer, total_spent=spent * 10_000)
        self.today += timedelta(days=days)
        decision = decide(
            rules=compile_rules(validate_rules(self.doc), inheritance=self.past),
            customer=self.customer,
            state=self.standing,
            today=self.today.toordinal(),
            now_ms=moment(self.today, 10, ZONE),
            version=self.version,
        )
        self.retag(*apply_change(tag_set(self.customer.tags), decision.change).names)
        self.standing = decision.state
        return decision

    def retag(self, *tags: str) -> None:
        self.customer = msgspec.structs.replace(self.customer, tags=tags)

    def publish(self, *rules: dict[str, Any], undone: bool = False) -> None:
        before, doc = self.doc, {"rules": [*rules], "tiers": self.doc["tiers"]}
        self.past = inherit(self.past, before=validate_rules(before), after=validate_rules(doc))
        if undone:
            self.past = inherit_rollback(
                self.past, undone={self.version: validate_rules(before)}, restored=validate_rules(doc)
            )
        self.doc, self.version = doc, self.version + 1

    def exclude(self, *ids: str) -> None:
        self.standing = CustomerState(self.standing.ownership, self.standing.holds, frozenset(ids))

    @property
    def tags(self) -> set[str]:
        return set(self.customer.tags)


def rule(rule_id: str = "vip", tag: str = "VIP", when: dict[str, Any] = BIG, **more: Any) -> dict[str, Any]:
    return {"id": rule_id, "tag": tag, "when": when, **more}


def said(decision: Decision) -> list[tuple[str, str, str]]:
    return [(outcome.effect, outcome.tag, outcome.cause) for outcome in decision.outcomes]


def spent(low: int) -> dict[str, Any]:
    return {**BIG, "value": low}


def tier(**more: Any) -> dict[str, Any]:
    levels = [{"tag": "Gold", "when": spent(500)}, {"tag": "Silver", "when": spent(100)}]
    return {"id": "hang", "levels": levels, **more}


def test_a_tag_comes_and_goes_with_its_rule() -> None:
    shop = Shop(rule())

    shop.look(spent=100)
    assert shop.tags == {"VIP"}
    shop.look(spent=99)
    assert shop.tags == set()
    assert shop.standing.ownership == {}


def test_a_tag_that_a_person_put_on_is_left_and_said_to_be_so() -> None:
    shop = Shop(rule(), tags=("vip",))

    decision = shop.look(spent=0)

    assert shop.tags == {"vip"}
    assert said(decision) == [("retain", "vip", "not_ours")]


def test_a_rule_that_owns_all_copies_removes_the_spelling_that_the_record_has() -> None:
    shop = Shop(rule(owns="all"), tags=("vip",))

    assert shop.look(spent=0).change.remove == ("vip",)


def test_a_tag_removed_by_hand_comes_back_while_its_rule_matches() -> None:
    shop = Shop(rule())
    shop.look(spent=100)

    shop.retag()
    shop.look()

    assert shop.tags == {"VIP"}


def test_a_tag_removed_by_hand_stays_away_when_only_keep_held_it() -> None:
    shop = Shop(rule(keep="forever"))
    shop.look(spent=100)
    shop.look(spent=0)
    shop.retag()

    shop.look()

    assert shop.tags == set()
    assert shop.standing.holds == {}


@pytest.mark.parametrize(
    ("keep", "days", "stays"),
    [
        pytest.param("30 days", 29, True, id="the last day of the hold"),
        pytest.param("30 days", 30, False, id="the hold is over"),
        pytest.param("forever", 9999, True, id="for ever"),
        pytest.param("while_matching", 0, False, id="no hold"),
    ],
)
def test_keep_counts_from_the_giving_of_the_tag(keep: str, days: int, stays: bool) -> None:
    shop = Shop(rule(keep=keep))
    shop.look(spent=100)

    shop.look(spent=0, days=days)

    assert (shop.tags == {"VIP"}) is stays


def test_a_hold_says_the_day_on_which_it_ends() -> None:
    shop = Shop(rule(keep="30 days"))
    shop.look(spent=100)

    decision = shop.look(spent=0, days=3)

    assert decision.next_change == (START + timedelta(days=30)).toordinal()
    assert decision.retained[0].until == decision.next_change


def test_a_hold_outlives_a_new_version() -> None:
    shop = Shop(rule(keep="30 days"))
    shop.look(spent=100)
    shop.publish(rule(keep="30 days", when=spent(200)))

    shop.look(days=29)
    assert shop.tags == {"VIP"}
    shop.look(days=1)
    assert shop.tags == set()


@pytest.mark.parametrize("looks", [(40,), (10, 10, 10, 10)], ids=["one look", "four looks"])
def test_how_long_a_tag_is_kept_does_not_depend_on_who_looked_in_between(looks: tuple[int, ...]) -> None:
    shop = Shop(rule(keep="30 days", when=spent(500)), rule("second"))
    shop.look(spent=500)
    shop.look(spent=100)
    for days in looks:
        shop.look(days=days)
    shop.look(spent=500)

    shop.look(spent=0)

    assert shop.tags == set()


def test_a_tag_of_two_rules_stays_while_one_of_them_matches() -> None:
    shop = Shop(rule(), rule("second", when=spent(50)))
    shop.look(spent=100)

    shop.look(spent=50)
    assert shop.tags == {"VIP"}
    shop.look(spent=49)
    assert shop.tags == set()


@pytest.mark.parametrize(("wish", "left"), [("leave", {"VIP"}), ("remove", set())])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param([], id="deleted"),
        pytest.param([{"enabled": False}], id="disabled"),
        pytest.param([{"tag": "Other"}], id="renamed"),
    ],
)
def test_when_gone_decides_what_a_departed_rule_leaves(
    wish: str, left: set[str], change: list[dict[str, Any]]
) -> None:
    shop = Shop(rule(when_gone=wish))
    shop.look(spent=100)

    shop.publish(*({**rule(when_gone=wish), **one} for one in change))
    shop.look()

    assert shop.tags - {"Other"} == left


def test_a_deleted_rules_last_wish_outlives_later_versions() -> None:
    shop = Shop(rule(when_gone="remove"))
    shop.look(spent=100)
    shop.publish()
    shop.publish(rule("other", "Other", when=spent(9999)))

    shop.look()

    assert shop.tags == set()


def test_a_kept_tag_follows_its_rule_to_a_new_name() -> None:
    shop = Shop(rule(keep="forever", when_gone="remove"))
    shop.look(spent=100)
    shop.publish(rule(tag="Gold VIP", keep="forever", when_gone="remove"))

    shop.look(spent=0)

    assert shop.tags == {"Gold VIP"}


def test_whoever_still_wants_a_departed_rules_tag_takes_it_over() -> None:
    shop = Shop(rule(), rule("second"))
    shop.look(spent=100)
    shop.publish(rule("second"))
    shop.look()

    shop.look(spent=0)

    assert shop.tags == set()


def test_a_roll_back_takes_back_what_the_undone_version_gave_for_ever() -> None:
    right, wrong = rule(keep="forever"), rule(keep="forever", when=spent(1))
    shop = Shop(right)
    shop.publish(wrong)
    shop.look(spent=1)
    shop.look(spent=0)
    assert shop.tags == {"VIP"}

    shop.publish(right, undone=True)
    shop.look()

    assert shop.tags == set()


def test_what_the_restored_rule_gives_too_is_kept_under_its_name() -> None:
    right, wrong = rule(keep="forever"), rule(keep="forever", when=spent(1))
    shop = Shop(right)
    shop.publish(wrong)
    shop.look(spent=100)
    shop.publish(right, undone=True)
    shop.look()

    shop.look(spent=0)

    assert shop.tags == {"VIP"}


def test_a_roll_back_leaves_what_an_unchanged_rule_gave() -> None:
    shop = Shop(rule(keep="forever"))
    shop.publish(rule(keep="forever"), rule("second", "Other"))
    shop.look(spent=100)

    shop.publish(rule(keep="forever"), undone=True)
    shop.look(spent=0)

    assert shop.tags == {"VIP"}


def test_an_excluded_customer_is_neither_given_the_tag_nor_loses_it() -> None:
    shop = Shop(rule())
    shop.exclude("vip")
    decision = shop.look(spent=100)
    assert shop.tags == set()
    assert said(decision) == [("withhold", "VIP", "excluded")]

    shop.exclude()
    shop.look()
    shop.exclude("vip")
    shop.look(spent=0)
    assert shop.tags == {"VIP"}


def test_the_first_level_that_matches_wins_and_the_others_go() -> None:
    shop = Shop(tiers=(tier(),), tags=("silver",))

    decision = shop.look(spent=500)

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
def test_going_down_waits_as_the_tier_says(downgrade: object, days: int, expected: set[str]) -> None:
    shop = Shop(tiers=(tier(downgrade=downgrade),))
    shop.look(spent=500)
    shop.look(spent=100)

    shop.look(days=days)

    assert shop.tags == expected


def test_being_back_in_time_starts_the_wait_anew() -> None:
    shop = Shop(tiers=(tier(downgrade={"after": "90 days"}),))
    shop.look(spent=500)
    shop.look(spent=100)
    shop.look(spent=500, days=80)
    shop.look(spent=100)

    shop.look(days=80)

    assert shop.tags == {"Gold"}


def test_a_rule_sees_the_tags_that_this_very_decision_gives() -> None:
    reader = rule("reader", "Nice", {"field": "tags", "op": "has_any", "value": ["gold"]})
    shop = Shop(reader, tiers=(tier(),))

    shop.look(spent=500)

    assert shop.tags == {"Gold", "Nice"}


def test_every_change_has_its_reason_with_the_values_that_decided() -> None:
    shop = Shop(rule())

    given = shop.look(spent=100).outcomes
    taken = shop.look(spent=0).outcomes

    assert [(one.tag, one.effect, one.rule, one.cause, one.evidence) for one in (*given, *taken)] == [
        ("VIP", "add", "vip", "matched", {"total_spent": 100_0000}),
        ("VIP", "remove", "vip", "unmatched", {"total_spent": 0}),
    ]


def test_each_tag_has_one_outcome() -> None:
    shop = Shop(rule(), rule("keeps", "Kept", keep="30 days"), tiers=(tier(),), tags=("silver",))
    shop.look(spent=100)

    assert said(shop.look()) == [
        ("have", "VIP", "matched"),
        ("have", "Kept", "matched"),
        ("have", "Silver", "matched"),
    ]
    assert said(shop.look(spent=0)) == [
        ("remove", "VIP", "unmatched"),
        ("retain", "Kept", "kept"),
        ("remove", "silver", "outranked"),
    ]


def test_a_decision_leaves_the_facts_that_others_share_as_they_are() -> None:
    compiled = compile_rules(validate_rules({"rules": [rule()]}))
    customer = Customer(id=1, total_spent=100_0000)
    facts = compiled.build_facts(customer, START.toordinal())
    builder = DecisionBuilder(
        rules=compiled, customer=customer, state=CustomerState(), facts=facts, now_ms=0, version=1
    )

    builder.add(tag="VIP", key="vip", rule="vip", cause="matched", inputs=NO_INPUTS)

    assert builder.facts.tags == {"vip"}
    assert facts.tags == frozenset()


def test_what_can_reach_a_person_is_not_kept_with_a_reason() -> None:
    shop = Shop(rule(when={"field": "email", "op": "ends_with", "value": "@example.com"}))
    shop.customer = msgspec.structs.replace(shop.customer, email="an@example.com")

    assert shop.look().outcomes[0].evidence == {"email": True}


def test_the_keys_that_must_not_be_missing_are_those_that_live_rules_read() -> None:
    doc = {"rules": [rule(), rule("off", "Off", {"field": "birthday", "op": "today"}, enabled=False)]}

    assert compile_rules(validate_rules(doc)).required_keys == {"tags", "total_spent"}


def test_an_owner_unknown_to_the_rules_is_left_alone() -> None:
    shop = Shop(tags=("Old",))
    shop.standing = CustomerState({"old": Ownership("Old", "nobody", 0, 1)})

    assert not shop.look().change
    shop.past = Inheritance({"nobody": "remove"})
    assert shop.look().change.remove == ("Old",)
