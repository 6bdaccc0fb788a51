"""A gap is exactly what is missing: covering it gives the required answer, covering less does not."""

from __future__ import annotations

from datetime import date

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.tags import fold
from service.domain.engine.facts import Facts
from service.domain.engine.predicates import CompiledCondition, compile_expression
from service.domain.explain.gap import Gap, gap_to
from service.domain.rules.conditions import Condition
from tests.domain.explain.conditions import ZONE, make_facts
from tests.reference import strategies


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_covering_the_gap_and_nothing_less_gives_the_required_answer(data: st.DataObject) -> None:
    leaf = data.draw(strategies.leaves(("X", "y", "A")))
    required = data.draw(st.booleans())
    condition = compile_expression(Condition.model_validate(leaf), currency="VND")
    assert isinstance(condition, CompiledCondition)
    facts = make_facts(data.draw(strategies.customers(ZONE)), data.draw(strategies.DAYS).toordinal())
    gap = gap_to(condition, facts, required=required)
    assume(gap is not None)
    assert gap is not None

    assert condition.matches(facts) is not required
    assert condition.matches(covered(gap, condition, facts)) is required
    for short_by in {1, gap.amount // 2, gap.amount - 1} & set(range(1, gap.amount)):
        assert condition.matches(covered(gap, condition, facts, short_by=short_by)) is not required


def covered(gap: Gap, condition: CompiledCondition, facts: Facts, *, short_by: int = 0) -> Facts:
    """The facts after the gap is covered, except for the last `short_by` of it."""
    name = condition.field.fact_names[0]
    if gap.kind == "wait":
        day = facts.day.ordinal + gap.amount - short_by
        moved = msgspec.structs.replace(facts, day=make_facts(Customer(id=1), day).day)
        if condition.field.name == "age" and moved.birthday is not None:
            moved.age = age_on(date.fromordinal(day), moved.birthday)
        return moved
    if gap.tags:
        keys = frozenset(map(fold, gap.tags))
        tags = facts.tags - keys if gap.kind == "exceeds_tags" else facts.tags | keys
        return msgspec.structs.replace(facts, tags=tags)
    step = (gap.amount - short_by) * (1 if gap.kind == "lacks" else -1)
    return msgspec.structs.replace(facts, **{name: getattr(facts, name) + step})


def age_on(day: date, birthday: date) -> int:
    customer = Customer(id=1, birthday_ms=strategies.moment(birthday, 12, ZONE))
    return make_facts(customer, day.toordinal()).age or 0
