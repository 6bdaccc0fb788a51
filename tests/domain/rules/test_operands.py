"""Amounts and durations in Vietnamese and English texts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.rules.operands import parse_amount, parse_duration_days


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("90 days", 90),
        ("1 day", 1),
        ("90 ngày", 90),
        ("90 nga\u0300y", 90),
        ("90 ngay", 90),
        ("90 NGÀY", 90),
        ("90days", 90),
        ("3 months", 90),
        ("3 tháng", 90),
        ("3 thang", 90),
        ("2 weeks", 14),
        ("2 tuần", 14),
        ("1 year", 365),
        ("1 năm", 365),
        ("0 days", 0),
        ("1_000 days", 1000),
    ],
)
def test_a_duration_is_parsed_with_or_without_accents(text: str, days: int) -> None:
    assert parse_duration_days(text) == days


@pytest.mark.parametrize(
    "text", ["", "90", "days", "-1 days", "1.5 days", "90 nay", "90 hours", "101 years", "9" * 50]
)
def test_other_texts_are_not_durations(text: str) -> None:
    assert parse_duration_days(text) is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10000000", 10_000_000),
        ("10_000_000", 10_000_000),
        ("10.000.000", 10_000_000),
        ("10,000,000", 10_000_000),
        ("10 000 000", 10_000_000),
        ("10.000", 10_000),
        ("10 triệu", 10_000_000),
        ("10 trieu", 10_000_000),
        ("10tr", 10_000_000),
        ("1,5 triệu", 1_500_000),
        ("1.5tr", 1_500_000),
        ("500k", 500_000),
        ("500 nghìn", 500_000),
        ("2 tỷ", 2_000_000_000),
        ("2 tỉ", 2_000_000_000),
        ("10.000.000đ", 10_000_000),
        ("10.000.000 ₫", 10_000_000),
        ("10.000.000 VND", 10_000_000),
        ("10 triệu đồng", 10_000_000),
        ("41.94", "41.94"),
    ],
)
def test_an_amount_is_parsed_as_people_type_it(text: str, amount: int | str) -> None:
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "triệu", "mười triệu", "1.2.3", "10 apples", "1" * 100, "nan", "inf"])
def test_other_texts_are_not_amounts(text: str) -> None:
    assert parse_amount(text) is None


@given(st.text(max_size=80))
def test_no_text_makes_the_parsers_raise(text: str) -> None:
    parse_amount(text)
    parse_duration_days(text)
