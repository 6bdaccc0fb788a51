"""The demo's check of a customer's tags."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from deploy.demonstration.expected import ExpectedTags
from service.domain.customers.customer import Customer
from service.domain.documents.parser import parse_rules

RULES = parse_rules((Path(__file__).parents[3] / "deploy/rules/demo.yaml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def test_missing_and_unexpected_tags_are_found() -> None:
    customer = Customer(id=7, total_spent=9_000_000_0000, orders_count=1, tags=("VIP", "Khách sỉ"))

    mismatch = ExpectedTags(RULES).check(customer, NOW)

    assert mismatch is not None
    assert (mismatch.missing, mismatch.unexpected) == (("Hạng Bạc",), ("VIP",))


def test_correct_tags_in_any_case_are_accepted() -> None:
    customer = Customer(id=7, total_spent=9_000_000_0000, orders_count=1, tags=("HẠNG BẠC", "Zalo"))

    assert ExpectedTags(RULES).check(customer, NOW) is None
