from __future__ import annotations

from datetime import date
from typing import Any

from service.domain.customers.customer import Customer
from service.domain.decisions.decide import decide
from service.domain.decisions.state import CustomerState, Hold, Ownership
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.explain.scheduled import next_change_by_rule
from tests.reference.strategies import moment

ZONE = "Asia/Ho_Chi_Minh"
TODAY = date(2026, 1, 10)
FRESH = {"field": "last_order_date", "op": "within_last", "value": "30 days"}


def changes(
    *rules: dict[str, Any], customer: Customer, standing: CustomerState | None = None
) -> dict[str, date | None]:
    compiled = compile_rules(validate_rules({"rules": [*rules]}))
    today = TODAY.toordinal()
    decision = decide(
        rules=compiled,
        customer=customer,
        state=standing or CustomerState(),
        today=today,
        now_ms=moment(TODAY, 9, ZONE),
        version=1,
    )
    found = next_change_by_rule(compiled=compiled, customer=customer, decision=decision, today=today)
    return {one: None if on is None else date.fromordinal(on) for one, on in found.items()}


def test_a_rule_that_reads_another_rules_tag_may_change_on_that_rules_day() -> None:
    first = {"id": "fresh", "tag": "Fresh", "when": FRESH}
    second = {"id": "reader", "tag": "Reader", "when": {"field": "tags", "op": "has_any", "value": ["fresh"]}}
    steady = {"id": "steady", "tag": "Steady", "when": {"field": "orders_count", "op": "is", "value": 1}}
    customer = Customer(id=1, last_order_ms=moment(date(2026, 1, 1), 9, ZONE))

    found = changes(first, second, steady, customer=customer)

    assert found == {"fresh": date(2026, 2, 1), "reader": date(2026, 2, 1), "steady": None}


def test_the_end_of_a_hold_is_a_day_on_which_the_rule_may_change() -> None:
    kept = {
        "id": "kept",
        "tag": "Kept",
        "keep": "30 days",
        "when": {"field": "orders_count", "op": "is", "value": 1},
    }
    given = date(2026, 1, 1)
    standing = CustomerState(
        {"kept": Ownership("Kept", "kept", moment(given, 9, ZONE), 1)},
        {"kept": Hold("kept", given.toordinal())},
    )

    found = changes(kept, customer=Customer(id=1, orders_count=2, tags=("Kept",)), standing=standing)

    assert found == {"kept": date(2026, 1, 31)}
