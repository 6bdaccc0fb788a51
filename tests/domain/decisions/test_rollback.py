"""What a roll-back restores, and how a decision treats a removed tag as if it had stayed."""

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
from tests.domain.decisions.simulated_shop import SimulatedShop

START = date(2026, 1, 1)
UNDO = UndoRecord("VIP", Ownership("VIP", "vip", 1, 1), {"vip": Hold("vip", 700_000)})
REMOVAL = LedgerChange(7, "VIP", 2, 10, "unmatched", UNDO)
ADDITION = LedgerChange(7, "VIP", 2, 20, "matched")


@pytest.mark.parametrize(
    ("changes", "is_restored"),
    [
        pytest.param([REMOVAL], True, id="removed"),
        pytest.param([REMOVAL, ADDITION], True, id="removed, then added"),
        pytest.param(
            [ADDITION, REMOVAL._replace(at_ms=30)], False, id="added, then removed: it was absent before"
        ),
        pytest.param([REMOVAL._replace(version=1)], False, id="removed by a version that stays"),
        pytest.param([REMOVAL._replace(undo=None)], False, id="removed without an undo record"),
        pytest.param([REMOVAL._replace(is_retraction=True)], False, id="a person retracted it"),
        pytest.param(
            [REMOVAL, ADDITION, REMOVAL._replace(at_ms=30, is_retraction=True)], False, id="retracted later"
        ),
        pytest.param([REMOVAL, ADDITION._replace(version=3, cause="restored")], False, id="restored already"),
        pytest.param([REMOVAL, ADDITION._replace(version=3)], True, id="added by the restored rules"),
    ],
)
def test_only_the_first_change_by_an_undone_version_counts(
    changes: list[LedgerChange], is_restored: bool
) -> None:
    collector = RollbackCollector(undone=frozenset({2}), by=3)
    for change in changes:
        collector.add(change)

    restores = collector.restores({})

    assert restores == (
        {7: {"vip": UndoRecord("VIP", UNDO.ownership, UNDO.holds, restored_by=3)}} if is_restored else {}
    )


def test_a_second_collection_has_only_removals_that_the_first_lacks() -> None:
    collector = RollbackCollector(undone=frozenset({2}), by=3)
    collector.add(REMOVAL)
    collector.skip_collected()
    collector.add(REMOVAL._replace(at_ms=30))
    collector.add(REMOVAL._replace(at_ms=30, tag="Bạc"))

    assert {customer: tags.keys() for customer, tags in collector.restores({}).items()} == {7: {"bạc"}}


@pytest.mark.parametrize(
    ("external", "is_restored"),
    [
        (ExternalChange("vip", False, 11), False),
        (ExternalChange("vip", True, 11), False),
        (ExternalChange("vip", False, 9), True),
    ],
    ids=["removed by hand since", "added by hand since", "changed by hand before"],
)
def test_a_tag_that_a_person_changed_since_stays_as_it_is(
    external: ExternalChange, is_restored: bool
) -> None:
    collector = RollbackCollector(undone=frozenset({2}), by=3)
    collector.add(REMOVAL)

    assert bool(collector.restores({7: {"vip": external}})) is is_restored


def test_a_restore_of_an_earlier_roll_back_waits_unless_that_is_undone() -> None:
    old, new = UndoRecord("VIP", restored_by=3), UndoRecord("VIP", restored_by=5)

    assert merge_restores({"vip": old}, {"vip": new}, undone=frozenset({4})) == {"vip": old}
    assert merge_restores({"vip": old}, {"vip": new}, undone=frozenset({3, 4})) == {"vip": new}


def spent(minimum: int, **more: Any) -> dict[str, Any]:
    return {"tag": "VIP", "when": {"field": "total_spent", "op": "at_least", "value": minimum}, **more}


def doc(*rules: dict[str, Any], tiers: tuple[dict[str, Any], ...] = ()) -> RuleSet:
    return validate_rules({"rules": [{"id": "vip", **fields} for fields in rules], "tiers": [*tiers]})


def tier(**more: Any) -> dict[str, Any]:
    levels = [{**spent(50), "tag": "Gold"}, {**spent(10), "tag": "Silver"}]
    return {"id": "hang", "levels": levels, **more}


def undone(before: RuleSet, after: RuleSet, *, tags: tuple[str, ...] = (), days: int = 0) -> SimulatedShop:
    """The first rules add a tag, the second remove it, and a roll-back follows after some days."""
    shop = SimulatedShop([before], Customer(id=1, total_spent=60_0000, tags=tags), START)
    shop.decide()
    shop.set_spent(12)
    shop.decide()
    shop.publish(after)
    shop.decide()
    shop.today += timedelta(days=days)
    shop.roll_back(to=1)
    return shop


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
    shop = undone(before, after, days=days)

    shop.decide()

    assert shop.tags == tags
    assert not shop.state.restores
    assert not shop.decide().change


def test_a_restored_tag_is_owned_by_the_restored_rule_and_has_its_cause() -> None:
    shop = undone(doc(spent(50, keep="forever")), STRICT)

    decision = shop.decide()

    (change,) = decision.changes
    assert (change.effect, change.tag, change.rule, change.cause) == ("add", "VIP", "vip", "restored")
    assert change.evidence == {"total_spent": 12_0000}
    own = shop.state.ownership["vip"]
    assert (own.rule, own.version) == ("vip", 3)
    assert shop.state.holds["vip"] == Hold("vip", START.toordinal())


def test_a_tag_of_a_person_is_restored_as_not_ours() -> None:
    no_rules = doc({**spent(1), "tag": "Khác", "enabled": False})
    shop = undone(no_rules, doc(spent(50, owns="all")), tags=("vip",))

    decision = shop.decide()

    assert decision.change.add == ("vip",)
    assert shop.state.ownership == {}


def test_a_tag_of_a_person_that_is_ours_by_now_is_removed_as_not_ours() -> None:
    """If it had never been removed, we would not own it."""
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


def test_a_tag_that_a_person_added_meanwhile_is_not_ours() -> None:
    shop = undone(doc(spent(50, keep="forever")), STRICT)
    shop.set_tags("VIP")

    assert not shop.decide().change
    assert shop.state.ownership == {}


def test_nothing_is_restored_to_a_customer_who_was_excluded_meanwhile() -> None:
    shop = undone(doc(spent(50, keep="forever")), STRICT)
    shop.exclude("vip")

    assert not shop.decide().change


def test_a_tag_that_a_person_removed_after_it_was_added_again_is_not_restored() -> None:
    shop = undone(doc(spent(50, keep="forever")), STRICT)
    shop.roll_back(to=2)
    shop.set_spent(70)
    shop.decide()
    shop.set_spent(12)
    shop.remove_by_hand("VIP")
    shop.roll_back(to=1)

    shop.decide()

    assert shop.tags == set()


def silver(**when: Any) -> RuleSet:
    level = {"tag": "Silver", "when": when}
    return validate_rules(
        {"version": 1, "tiers": [{"id": "t", "downgrade": {"after": "5 days"}, "levels": [level]}]}
    )


@pytest.mark.parametrize("later", [5, 6], ids=["its tag is present", "its tag was removed"])
def test_days_on_which_only_the_undone_rules_observed_a_lower_level_do_not_count(later: int) -> None:
    shop = SimulatedShop(
        [silver(field="tags", op="has_any", value=["X"])], Customer(id=1, tags=("X",)), START
    )
    shop.decide()
    shop.publish(silver(field="orders_count", op="at_least", value=9))
    for days in sorted({0, later - 5, later - 1}):
        shop.today = START + timedelta(days=days)
        shop.decide()
    shop.today = START + timedelta(days=later)
    if later > 5:
        shop.decide()
    shop.set_tags(*(tag for tag in shop.customer.tags if tag != "X"))
    shop.roll_back(to=1)

    for days, is_present in ((0, True), (4, True), (5, False)):
        shop.today = START + timedelta(days=later + days)
        shop.decide()
        assert ("silver" in shop.tags) is is_present
