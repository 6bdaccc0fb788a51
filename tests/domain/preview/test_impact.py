"""The preview counts what deciding for each customer alone would do; an edited rule changes only what it touches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.tags import TagChange, apply_change, fold, tag_set
from service.domain.decisions.decide import Decision
from service.domain.decisions.rollback import decide_with_restores
from service.domain.decisions.state import CustomerState, Hold, Ownership
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.engine.compiled import CompiledRules, CompiledTier
from service.domain.engine.compiler import compile_rules
from service.domain.engine.facts import Facts
from service.domain.preview.impact import Preview, PublishPlan, preview, publish_plan
from service.domain.preview.population import Population, sample_rank
from tests.reference import strategies
from tests.reference.strategies import INHERITANCES, customer_states, restores

TODAY = date(2026, 11, 20).toordinal()
RANDOMLY = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DOCUMENTS = strategies.documents()
PAST = {"add": "added", "remove": "removed"}
STAYS = ("kept", "downgrade", "not_ours", "left", "excluded", "stopped")


class Decided(NamedTuple):
    """What is decided for one customer, less the tags that are stopped."""

    customer: Customer
    decision: Decision
    stopped: frozenset[str]

    @property
    def add(self) -> list[str]:
        return [tag for tag in self.decision.change.add if fold(tag) not in self.stopped]

    @property
    def remove(self) -> list[str]:
        return [tag for tag in self.decision.change.remove if fold(tag) not in self.stopped]


def decided(people: Population, compiled: CompiledRules) -> list[Decided]:
    return [
        Decided(
            customer,
            decide_with_restores(
                rules=compiled,
                customer=customer,
                state=standing,
                today=people.today,
                now_ms=people.now_ms,
                version=4,
            ),
            people.suppressed.get(place, frozenset()),
        )
        for place, (customer, standing) in enumerate(zip(people.customers, people.states, strict=True))
    ]


def cells(decisions: Sequence[Decided]) -> Counter[tuple[str, str]]:
    """What a preview must count, the slow way: (folded tag, cell) -> customers."""
    found: Counter[tuple[str, str]] = Counter()
    for customer, decision, stopped in decisions:
        mine = {
            (fold(one.tag), "stopped" if fold(one.tag) in stopped else PAST[one.effect])
            for one in decision.changes
        }
        mine |= {
            (fold(one.tag), one.cause) for one in decision.outcomes if one.effect in {"retain", "withhold"}
        }
        there = set(map(fold, customer.tags)) - {key for key, _ in mine}
        mine |= {(fold(tag), "unchanged") for tag in decision.wanted if fold(tag) in there}
        found.update(mine)
    return found


def counted(shown: Preview) -> Counter[tuple[str, str]]:
    return Counter(
        {
            (fold(tag.tag), cell): count
            for tag in shown.tags
            for cell in ("added", "removed", "unchanged", *STAYS)
            if (count := getattr(tag, cell))
        }
    )


def check_plan(plan: PublishPlan, decisions: Sequence[Decided], people: Population) -> None:
    pairs = [*zip(decisions, people.states, strict=True)]
    assert plan.tag_changes == [one.customer.id for one in decisions if one.add or one.remove]
    assert plan.state_changes == [
        one.customer.id for one, before in pairs if not before.restores and one.decision.state is not before
    ]
    assert plan.next_change_days == [
        (one.customer.id, day) for one in decisions if (day := one.decision.next_change) is not None
    ]


def facts_after(one: Decided, people: Population, compiled: CompiledRules) -> Facts:
    """The customer once everything is done that is decided: what later rules saw of earlier ones."""
    tags = apply_change(tag_set(one.customer.tags), one.decision.change).names
    return compiled.build_facts(msgspec.structs.replace(one.customer, tags=tags), people.today)


def earned(facts: Facts, tier: CompiledTier) -> str | None:
    return next((level.tag for level in tier.levels if level.matches(facts)), None)


def matched(decisions: Sequence[Decided], people: Population, compiled: CompiledRules) -> dict[str, int]:
    found = Counter({rule.id: 0 for rule in compiled.rules})
    found |= Counter({f"{tier.id}:{level.tag}": 0 for tier in compiled.tiers for level in tier.levels})
    for one in decisions:
        facts = facts_after(one, people, compiled)
        found.update(rule.id for rule in compiled.rules if rule.matches(facts))
        levels = ((tier.id, earned(facts, tier)) for tier in compiled.tiers)
        found.update(f"{tier}:{level}" for tier, level in levels if level is not None)
    names = [*(rule.id for rule in compiled.rules)]
    names += [f"{tier.id}:{level.tag}" for tier in compiled.tiers for level in tier.levels]
    return {name: found[name] for name in names}


Moves = dict[tuple[str | None, str | None, bool], tuple[int, ...]]


def tier_moves(
    decisions: Sequence[Decided], people: Population, compiled: CompiledRules, tier: CompiledTier
) -> tuple[Moves, tuple[int, ...]]:
    """From which level each customer goes to which, and how many stay on each level and on none."""
    moves: dict[tuple[str | None, str | None, bool], list[int]] = {}
    names = [*(level.tag for level in tier.levels), None]
    stay: Counter[str | None] = Counter()
    for one, standing in zip(decisions, people.states, strict=True):
        if tier.id in standing.excluded_rules:
            continue
        changes = {fold(tag) for tag in (*one.decision.change.add, *one.decision.change.remove)}
        source = level_of(one.customer.tags, tier)
        target = earned(facts_after(one, people, compiled), tier)
        if one.stopped & changes & tier.level_by_tag.keys():
            written = TagChange(add=tuple(one.add), remove=tuple(one.remove))
            target = level_of(apply_change(tag_set(one.customer.tags), written).names, tier)
        waits = any(held.cause == "downgrade" and held.rule == tier.id for held in one.decision.retained)
        if source == target:
            stay[source] += 1
        else:
            moves.setdefault((source, target, waits), []).append(one.customer.id)
    samples = {move: tuple(sorted(ids, key=sample_rank)) for move, ids in moves.items()}
    return samples, tuple(stay[name] for name in names)


def level_of(tags: Sequence[str], tier: CompiledTier) -> str | None:
    """The highest level whose tag is there."""
    there = {fold(tag) for tag in tags}
    return next((level.tag for level in tier.levels if level.key in there), None)


def check(people: Population, compiled: CompiledRules) -> None:
    decisions = decided(people, compiled)

    shown = preview(people, compiled, version=4)

    assert counted(shown) == cells(decisions)
    assert shown.touched == sum(bool(one.add or one.remove) for one in decisions)
    assert shown.adding == sum(bool(one.add) for one in decisions)
    assert shown.removing == sum(bool(one.remove) for one in decisions)
    check_plan(publish_plan(people, compiled, version=4), decisions, people)
    assert shown.matched == matched(decisions, people, compiled)
    for tier, compiled_tier in zip(shown.tiers, compiled.tiers, strict=True):
        moves, stay = tier_moves(decisions, people, compiled, compiled_tier)
        assert {(one.source, one.target, one.waits): one.samples for one in tier.moves} == moves
        assert [one.customers for one in tier.moves] == [len(one.samples) for one in tier.moves]
        assert tier.stay == stay


@st.composite
def restoring(draw: st.DrawFn, zone: str, today: date) -> CustomerState:
    """A standing with tags that a roll-back restores."""
    return replace(draw(customer_states(zone, today)), restores=draw(restores(zone, today)))


@st.composite
def peoples(draw: st.DrawFn, zone: str, today: date) -> Population:
    some = [
        (
            msgspec.structs.replace(draw(strategies.customers(zone)), id=at + 1),
            draw(st.one_of(st.just(CustomerState()), customer_states(zone, today), restoring(zone, today))),
        )
        for at in range(draw(st.integers(1, 4)))
    ]
    stopped = {
        one.id: frozenset(
            map(fold, draw(st.sets(st.sampled_from((*strategies.OURS, *strategies.LEVELS)), min_size=1)))
        )
        for one, _ in some
        if draw(st.booleans())
    }
    return Population.of(
        some, today=today.toordinal(), now_ms=strategies.moment(today, 12, zone), suppressed=stopped
    )


@RANDOMLY
@given(st.data())
def test_a_preview_counts_what_deciding_for_each_customer_does(data: st.DataObject) -> None:
    doc, today = data.draw(DOCUMENTS), data.draw(strategies.DAYS)
    people = data.draw(peoples(doc["timezone"], today))

    check(people, compile_rules(validate_rules(doc), inheritance=data.draw(INHERITANCES)))


READS_TAGS = """
version: 1
rules:
  - {id: a, tag: A, when: {field: total_spent, op: at_least, value: 1}}
  - {id: b, tag: B, when: {field: tags, op: has_any, value: [A]}}
  - {id: x, tag: X, when: {field: total_spent, op: at_least, value: 999_999_999}}
tiers:
  - id: t
    levels:
      - {tag: Gold, when: {field: tags, op: has_any, value: [A]}}
"""


@pytest.mark.parametrize(
    ("tags", "standing"),
    [
        ((), CustomerState()),
        ((), CustomerState(excluded_rules=frozenset({"x"}))),
        (("Old",), CustomerState({"old": Ownership("Old", "deleted", 0, 1)})),
    ],
    ids=["plain", "excluded from another rule", "a tag of a deleted rule"],
)
def test_rules_that_read_a_tag_see_it_as_an_earlier_rule_has_decided(
    tags: tuple[str, ...], standing: CustomerState
) -> None:
    people = Population.of([(person(1, 5, *tags), standing)], today=TODAY, now_ms=0)

    shown = preview(people, compile_rules(parse_rules(READS_TAGS)))

    assert {tag.tag: tag.added for tag in shown.tags if tag.rules} == {"A": 1, "B": 1, "X": 0, "Gold": 1}
    assert shown.matched == {"a": 1, "b": 1, "x": 0, "t:Gold": 1}
    assert [(move.source, move.target) for move in shown.tiers[0].moves] == [(None, "Gold")]


SHOP = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: fan, tag: Fan, keep: 30 days, when: {field: orders_count, op: at_least, value: 3}}
tiers:
  - id: hang
    downgrade: {after: 90 days}
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""


def person(number: int, spent: int, *tags: str, orders: int = 1) -> Customer:
    return Customer(id=number, total_spent=spent * 10_000, orders_count=orders, tags=tags)


def ours(tag: str, rule: str, since: int = TODAY) -> dict[str, Ownership]:
    return {fold(tag): Ownership(tag, rule, (since - date(1970, 1, 1).toordinal()) * 86_400_000, 1)}


def test_each_tag_says_what_comes_what_goes_and_what_is_left_alone_with_examples() -> None:
    people = Population.of(
        [
            (person(1, 12_000_000), CustomerState()),
            (person(2, 12_000_000, "VIP", "Silver"), CustomerState()),
            (person(3, 5, "VIP"), CustomerState()),
            (person(4, 5, "VIP"), CustomerState(ours("VIP", "vip"))),
            (
                person(5, 5, "Fan"),
                CustomerState(ours("Fan", "fan", TODAY - 3), {"fan": Hold("fan", TODAY - 3)}),
            ),
            (person(6, 5), CustomerState(excluded_rules=frozenset({"vip"}))),
        ],
        today=TODAY,
        now_ms=0,
    )

    shown = {tag.tag: tag for tag in preview(people, compile_rules(parse_rules(SHOP))).tags}

    vip, fan = shown["VIP"], shown["Fan"]
    assert (vip.added, vip.removed, vip.unchanged, vip.not_ours) == (1, 1, 1, 1)
    assert vip.samples == {"added": (1,), "removed": (4,), "not_ours": (3,)}
    assert (fan.kept, fan.removed, fan.rules) == (1, 0, ("fan",))


def test_tier_moves_are_a_matrix_that_tells_waiting_from_going() -> None:
    people = Population.of(
        [
            (person(1, 60_000_000, "Silver"), CustomerState()),
            (person(2, 60_000_000), CustomerState()),
            (
                person(3, 20_000_000, "Gold"),
                CustomerState(ours("Gold", "hang"), {"hang": Hold("gold", TODAY - 5, TODAY - 1)}),
            ),
            (person(4, 20_000_000, "Silver"), CustomerState()),
        ],
        today=TODAY,
        now_ms=0,
    )

    (tier,) = preview(people, compile_rules(parse_rules(SHOP))).tiers

    assert {(one.source, one.target, one.waits): one.samples for one in tier.moves} == {
        ("Silver", "Gold", False): (1,),
        (None, "Gold", False): (2,),
        ("Gold", "Silver", True): (3,),
    }
    assert tier.stay == (0, 1, 0)


def test_a_tag_that_people_keep_undoing_is_not_counted_as_coming() -> None:
    people = Population.of(
        [
            (person(1, 60_000_000, "Silver"), CustomerState(ours("Silver", "hang"))),
            (person(2, 12_000_000), CustomerState()),
        ],
        today=TODAY,
        now_ms=0,
        suppressed={1: frozenset({"vip", "gold"})},
    )

    shown = preview(people, compile_rules(parse_rules(SHOP)))

    vip, gold, silver = (
        next(tag for tag in shown.tags if tag.tag == name) for name in ("VIP", "Gold", "Silver")
    )
    assert (vip.added, vip.stopped, vip.samples) == (1, 1, {"added": (2,), "stopped": (1,)})
    assert (gold.added, gold.stopped, silver.removed) == (0, 1, 1)
    (tier,) = shown.tiers
    assert {(one.source, one.target) for one in tier.moves} == {("Silver", None), (None, "Silver")}


def test_examples_are_twenty_scattered_and_the_same_whoever_else_is_there() -> None:
    compiled = compile_rules(parse_rules(SHOP))
    few = Population.of(
        [(person(n, 11_000_000), CustomerState()) for n in range(1, 400)], today=TODAY, now_ms=0
    )
    many = Population.of(
        [(person(n, 11_000_000), CustomerState()) for n in range(1, 4000)], today=TODAY, now_ms=0
    )

    first, second = (preview(each, compiled).tags[0].samples["added"] for each in (few, many))

    assert len(first) == len(second) == 20
    assert set(second) & set(range(1, 400)) <= set(first)
    assert preview(few, compiled).tags[0].samples["added"] == first


def test_tags_of_a_rule_that_went_are_shown_although_no_rule_sets_them() -> None:
    doc = "version: 1\nrules:\n  - {id: old, tag: Cũ, enabled: false, when_gone: remove, when: {field: tags, op: is_empty}}"
    people = Population.of([(person(1, 5, "Cũ"), CustomerState(ours("Cũ", "old")))], today=TODAY, now_ms=0)

    (tag,) = preview(people, compile_rules(parse_rules(doc))).tags

    assert (tag.tag, tag.rules, tag.removed) == ("Cũ", (), 1)
