"""The preview and the publish plan count exactly what deciding for each customer alone does."""

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
EFFECTS = {"add": "added", "remove": "removed"}
RETAINED = ("kept", "downgrade", "not_ours", "left", "excluded", "undecided", "stopped")


class Decided(NamedTuple):
    """A customer's decision. `add` and `remove` are without the suppressed tags."""

    customer: Customer
    decision: Decision
    suppressed: frozenset[str]

    @property
    def add(self) -> list[str]:
        return [tag for tag in self.decision.change.add if fold(tag) not in self.suppressed]

    @property
    def remove(self) -> list[str]:
        return [tag for tag in self.decision.change.remove if fold(tag) not in self.suppressed]


def decide_all(population: Population, compiled: CompiledRules) -> list[Decided]:
    return [
        Decided(
            customer,
            decide_with_restores(
                rules=compiled,
                customer=customer,
                state=state,
                today=population.today,
                now_ms=population.now_ms,
                version=4,
            ),
            population.suppressed.get(index, frozenset()),
        )
        for index, (customer, state) in enumerate(zip(population.customers, population.states, strict=True))
    ]


def expected_counts(decisions: Sequence[Decided]) -> Counter[tuple[str, str]]:
    """What a preview must count, the slow way: (folded tag, effect) -> customers."""
    counts: Counter[tuple[str, str]] = Counter()
    for customer, decision, suppressed in decisions:
        effects = {
            (fold(change.tag), "stopped" if fold(change.tag) in suppressed else EFFECTS[change.effect])
            for change in decision.changes
        }
        effects |= {
            (fold(outcome.tag), outcome.cause)
            for outcome in decision.outcomes
            if outcome.effect in {"retain", "withhold"}
        }
        untouched = set(map(fold, customer.tags)) - {key for key, _ in effects}
        effects |= {(fold(tag), "unchanged") for tag in decision.wanted if fold(tag) in untouched}
        counts.update(effects)
    return counts


def counts_of(shown: Preview) -> Counter[tuple[str, str]]:
    return Counter(
        {
            (fold(tag.tag), effect): count
            for tag in shown.tags
            for effect in ("added", "removed", "unchanged", *RETAINED)
            if (count := getattr(tag, effect))
        }
    )


def check_plan(plan: PublishPlan, decisions: Sequence[Decided], population: Population) -> None:
    pairs = [*zip(decisions, population.states, strict=True)]
    assert plan.tag_changes == [item.customer.id for item in decisions if item.add or item.remove]
    assert plan.state_changes == [
        item.customer.id
        for item, before in pairs
        if (item.decision.state.ownership, item.decision.state.holds) != (before.ownership, before.holds)
    ]
    assert plan.next_change_days == [
        (item.customer.id, day) for item in decisions if (day := item.decision.next_change) is not None
    ]


def facts_after(item: Decided, population: Population, compiled: CompiledRules) -> Facts:
    """The customer's facts after the decision is written: what later rules read of earlier ones."""
    tags = apply_change(tag_set(item.customer.tags), item.decision.change).names
    return compiled.build_facts(msgspec.structs.replace(item.customer, tags=tags), population.today)


def earned_level(facts: Facts, tier: CompiledTier) -> str | None:
    return next((level.tag for level in tier.levels if level.matches(facts)), None)


def expected_matches(
    decisions: Sequence[Decided], population: Population, compiled: CompiledRules
) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for item in decisions:
        facts = facts_after(item, population, compiled)
        undecided = compiled.undecided_rules(item.customer)
        counts.update(rule.id for rule in compiled.rules if rule.id not in undecided and rule.matches(facts))
        levels = ((tier.id, earned_level(facts, tier)) for tier in compiled.tiers if tier.id not in undecided)
        counts.update(f"{tier}:{level}" for tier, level in levels if level is not None)
    names = [rule.id for rule in compiled.rules]
    names += [f"{tier.id}:{level.tag}" for tier in compiled.tiers for level in tier.levels]
    return {name: counts[name] for name in names}


Moves = dict[tuple[str | None, str | None, bool], tuple[int, ...]]


def expected_moves(
    decisions: Sequence[Decided], population: Population, compiled: CompiledRules, tier: CompiledTier
) -> tuple[Moves, tuple[int, ...]]:
    """The customers by move, and how many stay on each level and on none."""
    moves: dict[tuple[str | None, str | None, bool], list[int]] = {}
    names = [*(level.tag for level in tier.levels), None]
    stay: Counter[str | None] = Counter()
    for item, state in zip(decisions, population.states, strict=True):
        if tier.id in state.excluded_rules | compiled.undecided_rules(item.customer):
            continue
        changes = {fold(tag) for tag in (*item.decision.change.add, *item.decision.change.remove)}
        source = highest_level(item.customer.tags, tier)
        target = earned_level(facts_after(item, population, compiled), tier)
        if item.suppressed & changes & tier.level_by_tag.keys():
            written = TagChange(add=tuple(item.add), remove=tuple(item.remove))
            target = highest_level(apply_change(tag_set(item.customer.tags), written).names, tier)
        waits = any(held.cause == "downgrade" and held.rule == tier.id for held in item.decision.retained)
        if source == target:
            stay[source] += 1
        else:
            moves.setdefault((source, target, waits), []).append(item.customer.id)
    samples = {move: tuple(sorted(ids, key=sample_rank)) for move, ids in moves.items()}
    return samples, tuple(stay[name] for name in names)


def highest_level(tags: Sequence[str], tier: CompiledTier) -> str | None:
    keys = {fold(tag) for tag in tags}
    return next((level.tag for level in tier.levels if level.key in keys), None)


def check(population: Population, compiled: CompiledRules) -> None:
    decisions = decide_all(population, compiled)

    shown = preview(population, compiled, version=4)

    assert counts_of(shown) == expected_counts(decisions)
    assert shown.touched == sum(bool(item.add or item.remove) for item in decisions)
    assert shown.adding == sum(bool(item.add) for item in decisions)
    assert shown.removing == sum(bool(item.remove) for item in decisions)
    check_plan(publish_plan(population, compiled, version=4), decisions, population)
    assert shown.matched == expected_matches(decisions, population, compiled)
    assert shown.undecided == Counter(
        rule for item in decisions for rule in compiled.undecided_rules(item.customer)
    )
    for tier, compiled_tier in zip(shown.tiers, compiled.tiers, strict=True):
        moves, stay = expected_moves(decisions, population, compiled, compiled_tier)
        assert {(move.source, move.target, move.waits): move.samples for move in tier.moves} == moves
        assert [move.customers for move in tier.moves] == [len(move.samples) for move in tier.moves]
        assert tier.stay == stay


@st.composite
def restored_states(draw: st.DrawFn, zone: str, today: date) -> CustomerState:
    """A state with tags that a rollback restores."""
    return replace(draw(customer_states(zone, today)), restores=draw(restores(zone, today)))


@st.composite
def populations(draw: st.DrawFn, zone: str, today: date) -> Population:
    known = [
        (
            msgspec.structs.replace(draw(strategies.customers(zone)), id=index + 1),
            draw(
                st.one_of(
                    st.just(CustomerState()), customer_states(zone, today), restored_states(zone, today)
                )
            ),
        )
        for index in range(draw(st.integers(1, 4)))
    ]
    suppressed = {
        customer.id: frozenset(
            map(fold, draw(st.sets(st.sampled_from((*strategies.OURS, *strategies.LEVELS)), min_size=1)))
        )
        for customer, _ in known
        if draw(st.booleans())
    }
    return Population.of(
        known, today=today.toordinal(), now_ms=strategies.moment(today, 12, zone), suppressed=suppressed
    )


@RANDOMLY
@given(st.data())
def test_a_preview_counts_what_deciding_for_each_customer_does(data: st.DataObject) -> None:
    doc, today = data.draw(DOCUMENTS), data.draw(strategies.DAYS)
    population = data.draw(populations(doc["timezone"], today))

    check(population, compile_rules(validate_rules(doc), inheritance=data.draw(INHERITANCES)))


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
    ("tags", "state"),
    [
        ((), CustomerState()),
        ((), CustomerState(excluded_rules=frozenset({"x"}))),
        (("Old",), CustomerState({"old": Ownership("Old", "deleted", 0, 1)})),
    ],
    ids=["plain", "excluded from another rule", "a tag of a deleted rule"],
)
def test_rules_that_read_a_tag_see_it_as_an_earlier_rule_has_decided(
    tags: tuple[str, ...], state: CustomerState
) -> None:
    population = Population.of([(person(1, 5, *tags), state)], today=TODAY, now_ms=0)

    shown = preview(population, compile_rules(parse_rules(READS_TAGS)))

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


def owned(tag: str, rule: str, since: int = TODAY) -> dict[str, Ownership]:
    return {fold(tag): Ownership(tag, rule, (since - date(1970, 1, 1).toordinal()) * 86_400_000, 1)}


def test_each_tag_counts_customers_by_effect_with_samples() -> None:
    population = Population.of(
        [
            (person(1, 12_000_000), CustomerState()),
            (person(2, 12_000_000, "VIP", "Silver"), CustomerState()),
            (person(3, 5, "VIP"), CustomerState()),
            (person(4, 5, "VIP"), CustomerState(owned("VIP", "vip"))),
            (
                person(5, 5, "Fan"),
                CustomerState(owned("Fan", "fan", TODAY - 3), {"fan": Hold("fan", TODAY - 3)}),
            ),
            (person(6, 5), CustomerState(excluded_rules=frozenset({"vip"}))),
        ],
        today=TODAY,
        now_ms=0,
    )

    shown = {tag.tag: tag for tag in preview(population, compile_rules(parse_rules(SHOP))).tags}

    vip, fan = shown["VIP"], shown["Fan"]
    assert (vip.added, vip.removed, vip.unchanged, vip.not_ours) == (1, 1, 1, 1)
    assert vip.samples == {"added": (1,), "removed": (4,), "not_ours": (3,)}
    assert (fan.kept, fan.removed, fan.rules) == (1, 0, ("fan",))


def test_tier_moves_separate_customers_that_wait_from_those_that_go() -> None:
    population = Population.of(
        [
            (person(1, 60_000_000, "Silver"), CustomerState()),
            (person(2, 60_000_000), CustomerState()),
            (
                person(3, 20_000_000, "Gold"),
                CustomerState(owned("Gold", "hang"), {"hang": Hold("gold", TODAY - 5, TODAY - 1)}),
            ),
            (person(4, 20_000_000, "Silver"), CustomerState()),
        ],
        today=TODAY,
        now_ms=0,
    )

    (tier,) = preview(population, compile_rules(parse_rules(SHOP))).tiers

    assert {(move.source, move.target, move.waits): move.samples for move in tier.moves} == {
        ("Silver", "Gold", False): (1,),
        (None, "Gold", False): (2,),
        ("Gold", "Silver", True): (3,),
    }
    assert tier.stay == (0, 1, 0)


def test_a_suppressed_tag_counts_as_stopped() -> None:
    population = Population.of(
        [
            (person(1, 60_000_000, "Silver"), CustomerState(owned("Silver", "hang"))),
            (person(2, 12_000_000), CustomerState()),
        ],
        today=TODAY,
        now_ms=0,
        suppressed={1: frozenset({"vip", "gold"})},
    )

    shown = preview(population, compile_rules(parse_rules(SHOP)))

    vip, gold, silver = (
        next(tag for tag in shown.tags if tag.tag == name) for name in ("VIP", "Gold", "Silver")
    )
    assert (vip.added, vip.stopped, vip.samples) == (1, 1, {"added": (2,), "stopped": (1,)})
    assert (gold.added, gold.stopped, silver.removed) == (0, 1, 1)
    (tier,) = shown.tiers
    assert {(move.source, move.target) for move in tier.moves} == {("Silver", None), (None, "Silver")}


def test_samples_are_twenty_and_depend_on_nothing_but_their_customers() -> None:
    compiled = compile_rules(parse_rules(SHOP))
    few = Population.of(
        [(person(n, 11_000_000), CustomerState()) for n in range(1, 400)], today=TODAY, now_ms=0
    )
    many = Population.of(
        [(person(n, 11_000_000), CustomerState()) for n in range(1, 4000)], today=TODAY, now_ms=0
    )

    first, second = (preview(population, compiled).tags[0].samples["added"] for population in (few, many))

    assert len(first) == len(second) == 20
    assert set(second) & set(range(1, 400)) <= set(first)
    assert preview(few, compiled).tags[0].samples["added"] == first


def test_orphaned_tags_are_shown_although_no_live_rule_sets_them() -> None:
    doc = "version: 1\nrules:\n  - {id: old, tag: Cũ, enabled: false, when_gone: remove, when: {field: tags, op: is_empty}}"
    population = Population.of(
        [(person(1, 5, "Cũ"), CustomerState(owned("Cũ", "old")))], today=TODAY, now_ms=0
    )

    (tag,) = preview(population, compile_rules(parse_rules(doc))).tags

    assert (tag.tag, tag.rules, tag.removed) == ("Cũ", (), 1)
