"""The effect of one rule has the numbers of the whole preview of that rule, whatever the state of the customers."""

from __future__ import annotations

from datetime import date

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold
from service.domain.decisions.state import EMPTY_STATE, CustomerState, Ownership
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.preview.impact import preview
from service.domain.preview.population import Population
from service.domain.preview.rule_effect import RuleEffect, WarmPopulation, count_matches, rule_effect
from tests.reference import strategies

TODAY = date(2026, 11, 20)
RANDOMLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
VIP = """
rules:
  - id: vip
    tag: VIP
    when: {all: [{field: total_spent, op: at_least, value: 10_000_000}, {field: orders_count, op: at_least, value: 2}]}
"""
MILLION = 1_000_000_0000


def warm_of(population: Population, compiled: CompiledRules) -> WarmPopulation:
    return WarmPopulation.of(population, calendar=compiled.calendar, is_personal=True)


def numbers(effect: RuleEffect) -> tuple[int, ...]:
    return (
        effect.matched,
        effect.added,
        effect.removed,
        effect.unchanged,
        effect.kept,
        effect.not_ours,
        effect.undecided,
    )


@RANDOMLY
@given(st.data())
def test_the_numbers_are_those_of_the_preview(data: st.DataObject) -> None:
    zone = "Asia/Ho_Chi_Minh"
    rule = data.draw(strategies.rules("r0", "VIP", strategies.FOREIGN)) | {"enabled": True}
    document = {"version": 1, "timezone": zone, "currency": "VND", "rules": [rule]}
    if strategies.publishable(document) is None:
        return
    compiled = compile_rules(validate_rules(document))
    known = [
        (
            msgspec.structs.replace(data.draw(strategies.customers(zone)), id=index),
            data.draw(st.just(EMPTY_STATE) | strategies.customer_states(zone, TODAY)),
        )
        for index in range(1, data.draw(st.integers(0, 12)) + 1)
    ]
    suppressed = {index: frozenset({"vip"}) for index in data.draw(st.sets(st.integers(1, 12), max_size=2))}
    now_ms = strategies.moment(TODAY, 12, zone)
    population = Population.of(known, today=TODAY.toordinal(), now_ms=now_ms, suppressed=suppressed)

    warm = warm_of(population, compiled)

    effect = rule_effect(warm, compiled, "r0")

    assert count_matches(warm, compiled, "r0") == effect.matched
    expected = preview(population, compiled)
    tag = next(each for each in expected.tags if fold(each.tag) == "vip")
    assert numbers(effect) == (
        expected.matched["r0"],
        tag.added,
        tag.removed,
        tag.unchanged,
        tag.kept,
        tag.not_ours,
        expected.undecided.get("r0", 0),
    )


def test_a_funnel_counts_the_customers_that_are_left_and_samples_name_who_changes() -> None:
    compiled = compile_rules(parse_rules(VIP))
    ours = CustomerState(ownership={"vip": Ownership("VIP", "vip", 1, 1)})
    known = [
        (Customer(id=1, total_spent=20 * MILLION, orders_count=3), EMPTY_STATE),
        (Customer(id=2, total_spent=20 * MILLION, orders_count=1), EMPTY_STATE),
        (Customer(id=3, total_spent=1 * MILLION, orders_count=9, tags=("VIP",)), ours),
        (Customer(id=4, total_spent=1 * MILLION, orders_count=9, tags=("VIP",)), EMPTY_STATE),
    ]
    population = Population.of(known, today=TODAY.toordinal(), now_ms=0)

    effect = rule_effect(warm_of(population, compiled), compiled, "vip")

    assert effect.funnel == (2, 1)
    assert (effect.added, effect.removed, effect.not_ours) == (1, 1, 1)
    assert (effect.adds, effect.removes) == ((1,), (3,))


def test_an_edited_threshold_uses_the_same_warm_population() -> None:
    population = Population.of(
        [(Customer(id=1, total_spent=7 * MILLION, orders_count=3), EMPTY_STATE)],
        today=TODAY.toordinal(),
        now_ms=0,
    )
    compiled = compile_rules(parse_rules(VIP))
    warm = warm_of(population, compiled)

    before = rule_effect(warm, compiled, "vip")
    after = rule_effect(warm, compile_rules(parse_rules(VIP.replace("10_000_000", "5_000_000"))), "vip")

    assert (before.matched, after.matched) == (0, 1)
    assert (before.added, after.added) == (0, 1)
