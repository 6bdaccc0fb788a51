"""No result changes by time alone before its next change."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

import pytest

from service.domain.customers.customer import Customer
from service.domain.documents.parser import validate_rules
from service.domain.engine.facts import build_facts
from service.domain.engine.predicates import compile_expression
from service.domain.rules.calendar import calendar_for
from service.domain.rules.conditions import Expression
from tests.reference.strategies import moment

ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
WINDOWS = ("0 days", "1 day", "7 days", "30 days", "90 days")
STEADY = {"field": "orders_count", "op": "at_least", "value": 1}


def leaf(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} | ({} if value is None else {"value": value})


LEAVES = [
    *(leaf(field, op, days) for field in ("last_order_date", "created_at") for op in ("within_last", "more_than_ago") for days in WINDOWS),
    *(leaf("last_order_date", op, "2024-02-29") for op in ("before", "after")),
    *(leaf("birthday", op) for op in ("this_month", "next_month", "today", "is_empty")),
    *(leaf("birthday", "in_next", days) for days in ("0 days", "1 day", "30 days", "364 days", "1 year")),
    leaf("birthday", "month_is", 2),
    *(leaf("age", op, 32) for op in ("at_least", "more_than", "at_most", "less_than", "is", "is_not")),
    leaf("age", "between", [31, 33]),
]  # fmt: skip
TREES = [
    *LEAVES,
    *({"all": [STEADY, one]} for one in LEAVES[::3]),
    *({"any": [{"not": one}, STEADY]} for one in LEAVES[::3]),
    *({"all": [one, {"any": [two, STEADY]}]} for one, two in itertools.pairwise(LEAVES[::4])),
]
BIRTHDAYS = [
    date(1992, 2, 29),
    date(1991, 2, 28),
    date(1993, 3, 1),
    date(1990, 12, 31),
    date(1994, 1, 1),
    date(1992, 5, 31),
]


def when(tree: dict[str, Any]) -> Expression:
    return validate_rules({"rules": [{"id": "a", "tag": "A", "when": tree}]}).rules[0].when


def random_customers(zone: str, size: int, random_source: random.Random) -> Iterator[Customer]:
    """Customers whose dates lie around 29 February 2024 and the changes of the clock."""
    for _ in range(size):
        order, created = (date.fromordinal(random_source.randrange(738_700, 739_100)) for _ in range(2))
        yield Customer(
            id=1,
            orders_count=random_source.randrange(3),
            last_order_ms=moment(order, random_source.randrange(24), zone)
            if random_source.random() < 0.9
            else None,
            created_ms=moment(created, random_source.randrange(24), zone),
            birthday_ms=moment(random_source.choice(BIRTHDAYS), random_source.randrange(24), zone)
            if random_source.random() < 0.9
            else None,
        )


def count_checks(*, zone: str, size: int, days: int, seed: int) -> int:
    """Compare each expression on every day before its next change. Return the number of comparisons."""
    random_source = random.Random(seed)
    make = partial(build_facts, calendar=calendar_for(zone))
    trees = [compile_expression(when(tree), currency="VND") for tree in TREES]
    checks = 0
    for customer in random_customers(zone, size, random_source):
        start = random_source.randrange(date(2023, 12, 1).toordinal(), date(2025, 3, 1).toordinal())
        facts = [make(customer, start + ahead) for ahead in range(days)]
        for expression, tree in zip(TREES, trees, strict=True):
            changes_on = tree.next_change(facts[0]) if tree.next_change is not None else None
            assert changes_on is None or changes_on > start
            end = min(days, changes_on - start if changes_on is not None else days)
            result = tree.matches(facts[0])
            for ahead in range(1, end):
                assert tree.matches(facts[ahead]) is result, (expression, customer, start, ahead)
            checks += end
    return checks


@pytest.mark.parametrize("zone", ZONES)
def test_no_result_changes_before_its_next_change(zone: str) -> None:
    assert count_checks(zone=zone, size=12, days=400, seed=1) > 10_000


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("zone", ZONES)
def test_a_million_results_do_not_change_before_their_next_change(
    zone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = count_checks(zone=zone, size=400, days=450, seed=2)

    with capsys.disabled():
        print(f"\n{zone}: {checks} results compared, no difference")
    assert checks > 1_000_000


@pytest.mark.parametrize(
    ("tree", "today", "expected"),
    [
        pytest.param(leaf("last_order_date", "more_than_ago", "90 days"), date(2026, 11, 21), date(2026, 11, 29), id="the day after the window"),
        pytest.param(leaf("last_order_date", "more_than_ago", "90 days"), date(2026, 11, 29), None, id="never again"),
        pytest.param(leaf("birthday", "this_month"), date(2026, 1, 31), date(2026, 2, 1), id="the first of the month"),
        pytest.param(leaf("birthday", "this_month"), date(2026, 2, 3), date(2026, 3, 1), id="the month's end"),
        pytest.param(leaf("birthday", "today"), date(2026, 2, 1), date(2026, 2, 28), id="29 February in a common year"),
        pytest.param(leaf("birthday", "today"), date(2026, 2, 28), date(2026, 3, 1), id="only today"),
        pytest.param(leaf("birthday", "in_next", "7 days"), date(2026, 2, 1), date(2026, 2, 21), id="a week ahead"),
        pytest.param({"all": [leaf("orders_count", "at_least", 5), leaf("birthday", "today")]}, date(2026, 2, 1), None, id="what no day can change"),
        pytest.param({"any": [leaf("orders_count", "at_least", 1), leaf("birthday", "today")]}, date(2026, 2, 1), None, id="what is true on every day"),
    ],
)  # fmt: skip
def test_the_next_change_is_the_first_day_on_which_the_result_may_change(
    tree: dict[str, Any], today: date, expected: date | None
) -> None:
    zone = "Asia/Ho_Chi_Minh"
    customer = Customer(
        id=1,
        orders_count=2,
        last_order_ms=moment(date(2026, 8, 30), 3, zone),
        birthday_ms=moment(date(1992, 2, 29), 0, zone),
    )
    next_change = compile_expression(when(tree), currency="VND").next_change
    assert next_change is not None

    changes_on = next_change(build_facts(customer, today.toordinal(), calendar=calendar_for(zone)))

    assert changes_on == (expected.toordinal() if expected else None)
