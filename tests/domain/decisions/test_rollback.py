"""What a roll-back puts back: which deeds count, and what the decision makes of a tag as if it had stayed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from service.domain.customers.customer import Customer
from service.domain.customers.drift import ExternalChange
from service.domain.decisions.rollback import (
    LedgerChange,
    RollbackCollector,
    decide_with_restores,
    merge_restores,
)
from service.domain.decisions.state import CustomerState, Hold, Ownership, UndoRecord
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.rules.document import RuleSet
from tests.domain.decisions.simulated_shop import Life

START = date(2026, 1, 1)
STOOD = UndoRecord("VIP", Ownership("VIP", "vip", 1, 1), {"vip": Hold("vip", 700_000)})
TAKEN = LedgerChange(7, "VIP", 2, 10, "unmatched", STOOD)
GIVEN = LedgerChange(7, "VIP", 2, 20, "matched")


@pytest.mark.parametrize(
    ("deeds", "there"),
    [
        pytest.param([TAKEN], True, id="taken"),
        pytest.param([TAKEN, GIVEN], True, id="taken, then given"),
        pytest.param([GIVEN, TAKEN._replace(at_ms=30)], False, id="given, then taken: it was not there"),
        pytest.param([TAKEN._replace(version=1)], False, id="taken by a version that stays"),
        pytest.param([TAKEN._replace(undo=None)], False, id="an entry from before this was kept"),
        pytest.param([TAKEN._replace(is_retraction=True)], False, id="a person retracted it"),
        pytest.param(
            [TAKEN, GIVEN, TAKEN._replace(at_ms=30, is_retraction=True)], False, id="retracted later"
        ),
        pytest.param([TAKEN, GIVEN._replace(version=3, cause="restored")], False, id="put back already"),
        pytest.param([TAKEN, GIVEN._replace(version=3)], True, id="given by the roll-back's own rules"),
    ],
)
def test_the_first_deed_of_the_undone_versions_decides(deeds: list[LedgerChange], there: bool) -> None:
    collector = RollbackCollector(undone=frozenset({2}), by=3)
    for deed in deeds:
        collector.add(deed)

    found = collector.restores({})

    assert found == (
        {7: {"vip": UndoRecord("VIP", STOOD.ownership, STOOD.holds, restored_by=3)}} if there else {}
    )


@pytest.mark.parametrize(
    ("touch", "there"),
    [
        (ExternalChange("vip", False, 11), False),
        (ExternalChange("vip", True, 11), False),
        (ExternalChange("vip", False, 9), True),
    ],
    ids=["taken off since", "put on since", "touched before"],
)
def test_what_a_person_touched_since_stays_as_it_is(touch: ExternalChange, there: bool) -> None:
    collector = RollbackCollector(undone=frozenset({2}), by=3)
    collector.add(TAKEN)

    assert bool(collector.restores({7: {"vip": touch}})) is there


def test_what_waits_for_an_earlier_roll_back_waits_on_unless_that_is_undone() -> None:
    old, new = UndoRecord("VIP", restored_by=3), UndoRecord("VIP", restored_by=5)

    assert merge_restores({"vip": old}, {"vip": new}, undone=frozenset({4})) == {"vip": old}
    assert merge_restores({"vip": old}, {"vip": new}, undone=frozenset({3, 4})) == {"vip": new}


def spent(least: int, **more: Any) -> dict[str, Any]:
    return {"tag": "VIP", "when": {"field": "total_spent", "op": "at_least", "value": least}, **more}


def doc(*rules: dict[str, Any], tiers: tuple[dict[str, Any], ...] = ()) -> RuleSet:
    return validate_rules({"rules": [{"id": "vip", **one} for one in rules], "tiers": [*tiers]})


def tier(**more: Any) -> dict[str, Any]:
    levels = [{**spent(50), "tag": "Gold"}, {**spent(10), "tag": "Silver"}]
    return {"id": "hang", "levels": levels, **more}


def undone(before: RuleSet, after: RuleSet, *, tags: tuple[str, ...] = (), days: int = 0) -> Life:
    """Given by the first rules, kept by them, taken by the second, rolled back after some days."""
    life = Life([before], Customer(id=1, total_spent=60_0000, tags=tags), START)
    life.look()
    life.spend(12)
    life.look()
    life.publish(after)
    life.look()
    life.today += timedelta(days=days)
    life.roll_back(to=1)
    return life


STRICT = doc(spent(50))


@pytest.mark.parametrize(
    ("before", "after", "days", "tags"),
    [
        pytest.param(doc(spent(50, keep="forever")), STRICT, 900, {"vip"}, id="kept for ever"),
        pytest.param(doc(spent(50, keep="30 days")), STRICT, 29, {"vip"}, id="its days are not over"),
        pytest.param(doc(spent(50, keep="30 days")), STRICT, 30, set(), id="its days are over"),
        pytest.param(doc(spent(10)), STRICT, 0, {"vip"}, id="the rule matches"),
        pytest.param(
            doc(spent(50, keep="forever")), doc(spent(50, enabled=False, when_gone="remove")), 0, {"vip"}
        ),
        pytest.param(
            doc(spent(50, keep="forever")),
            doc(spent(50, tag="Khách VIP", when_gone="remove", keep="forever")),
            0,
            {"vip"},
            id="it was renamed",
        ),
        pytest.param(
            doc(tiers=(tier(downgrade="never"),)), doc(tiers=(tier(),)), 0, {"gold"}, id="a level never lost"
        ),
        pytest.param(
            doc(tiers=(tier(downgrade={"after": "90 days"}),)),
            doc(tiers=(tier(),)),
            89,
            {"gold"},
            id="a level that waits",
        ),
        pytest.param(
            doc(tiers=(tier(downgrade={"after": "90 days"}),)),
            doc(tiers=(tier(),)),
            90,
            {"silver"},
            id="a level that has waited",
        ),
    ],
)
def test_the_restored_rules_decide_as_if_the_tag_had_stayed(
    before: RuleSet, after: RuleSet, days: int, tags: set[str]
) -> None:
    life = undone(before, after, days=days)

    life.look()

    assert life.tags == tags
    assert not life.standing.restores
    assert not life.look().change


def test_a_tag_that_is_put_back_is_ours_by_the_restored_rule_and_says_why() -> None:
    life = undone(doc(spent(50, keep="forever")), STRICT)

    decision = life.look()

    (change,) = decision.changes
    assert (change.effect, change.tag, change.rule, change.cause) == ("add", "VIP", "vip", "restored")
    assert change.evidence == {"total_spent": 12_0000}
    own = life.standing.ownership["vip"]
    assert (own.rule, own.version) == ("vip", 3)
    assert life.standing.holds["vip"] == Hold("vip", START.toordinal())


def test_a_persons_tag_that_was_taken_is_put_back_as_theirs() -> None:
    nobodys = doc({**spent(1), "tag": "Khác", "enabled": False})
    life = undone(nobodys, doc(spent(50, owns="all")), tags=("vip",))

    decision = life.look()

    assert decision.change.add == ("vip",)
    assert life.standing.ownership == {}


def test_a_tag_of_a_persons_that_is_ours_by_now_is_removed_as_theirs() -> None:
    """As if it had never been removed: then we would not own it."""
    ours = Ownership("VIP", "vip", 1_000, 2)

    decision = decide_with_restores(
        rules=compile_rules(doc(spent(50, owns="all"))),
        customer=Customer(id=1, total_spent=0, tags=("VIP",)),
        state=CustomerState({"vip": ours}, restores={"vip": UndoRecord("VIP")}),
        today=START.toordinal(),
        now_ms=2_000,
        version=3,
    )

    (change,) = decision.changes
    assert (change.effect, change.cause, change.undo) == ("remove", "unmatched", UndoRecord("VIP"))
    assert decision.state == CustomerState()


def test_a_tag_that_a_person_put_on_meanwhile_is_theirs() -> None:
    life = undone(doc(spent(50, keep="forever")), STRICT)
    life.retag("VIP")

    assert not life.look().change
    assert life.standing.ownership == {}


def test_a_customer_excluded_meanwhile_is_left_alone() -> None:
    life = undone(doc(spent(50, keep="forever")), STRICT)
    life.exclude("vip")

    assert not life.look().change


def test_a_person_who_took_off_what_the_undone_rules_gave_again_has_the_last_word() -> None:
    life = undone(doc(spent(50, keep="forever")), STRICT)
    life.roll_back(to=2)
    life.spend(70)
    life.look()
    life.spend(12)
    life.take_off("VIP")
    life.roll_back(to=1)

    life.look()

    assert life.tags == set()


def silver(**when: Any) -> RuleSet:
    level = {"tag": "Silver", "when": when}
    return validate_rules(
        {"version": 1, "tiers": [{"id": "t", "downgrade": {"after": "5 days"}, "levels": [level]}]}
    )


@pytest.mark.parametrize("later", [5, 6], ids=["its tag is still there", "its tag was taken"])
def test_the_days_on_which_only_the_undone_rules_saw_a_lower_level_are_not_waited(later: int) -> None:
    life = Life([silver(field="tags", op="has_any", value=["X"])], Customer(id=1, tags=("X",)), START)
    life.look()
    life.publish(silver(field="orders_count", op="at_least", value=9))
    for days in sorted({0, later - 5, later - 1}):
        life.today = START + timedelta(days=days)
        life.look()
    life.today = START + timedelta(days=later)
    if later > 5:
        life.look()
    life.retag(*(tag for tag in life.customer.tags if tag != "X"))
    life.roll_back(to=1)

    for days, there in ((0, True), (4, True), (5, False)):
        life.today = START + timedelta(days=later + days)
        life.look()
        assert ("silver" in life.tags) is there
