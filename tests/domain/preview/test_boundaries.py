"""Sample facts give every answer that conditions can give, or there are too many of them."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.documents.parser import validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.preview.boundaries import MAX_FACTS, boundary_facts
from tests.reference import strategies

TODAY = date(2026, 11, 20).toordinal()


def compiled(tree: dict[str, Any]) -> CompiledRules:
    return compile_rules(validate_rules({"version": 1, "rules": [{"id": "r", "tag": "Z", "when": tree}]}))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_customers_answer_is_among_those_of_the_samples(data: st.DataObject) -> None:
    rules = compiled(data.draw(strategies.trees(("X", "y"))))
    today = data.draw(strategies.DAYS).toordinal()
    facts = rules.build_facts(data.draw(strategies.customers("Asia/Ho_Chi_Minh")), today)
    (rule,) = rules.rules

    samples = boundary_facts([rule.when], today=today)

    assert samples is None or rule.matches(facts) in set(map(rule.matches, samples))


def test_too_many_samples_are_none() -> None:
    tags = [f"T{number}" for number in range(9)]
    (rule,) = compiled({"field": "tags", "op": "has_any", "value": tags}).rules

    assert boundary_facts([rule.when], today=TODAY) is None


def test_both_sides_of_both_ends_of_a_range_are_sampled() -> None:
    (rule,) = compiled({"field": "orders_count", "op": "between", "value": [3, 5]}).rules

    samples = boundary_facts([rule.when], today=TODAY)

    assert samples is not None
    assert len(samples) <= MAX_FACTS
    assert {facts.orders_count for facts in samples} >= {None, 2, 3, 5, 6}
