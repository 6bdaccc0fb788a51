"""Amounts, days and moments, as people write them and as pages show them."""

from __future__ import annotations

import unicodedata
from datetime import date
from decimal import Decimal

import pytest

from service.locales import translator_for
from service.web.pages.shell.formats import Formats, parse_amount, parse_count, parse_day

NOW_MS = 1_795_860_000_000  # 28 November 2026, 17:00 in Vietnam


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10000000", 10_000_000),
        ("10.000.000", 10_000_000),
        ("10,000,000", 10_000_000),
        ("10 000 000", 10_000_000),
        ("10.000.000 ₫", 10_000_000),
        ("10.000.000đ", 10_000_000),
        ("10.000.000 VND", 10_000_000),
        ("10.000.000 đồng", 10_000_000),
        ("10tr", 10_000_000),
        ("10 triệu", 10_000_000),
        ("10 trieu đồng", 10_000_000),
        ("1,5 tỷ", 1_500_000_000),
        ("1.5 tỉ", 1_500_000_000),
        ("1.500tr", 1_500_000_000),
        ("1tr5", 1_500_000),
        ("1tr250", 1_250_000),
        ("500k", 500_000),
        ("500 nghìn", 500_000),
        ("500 ngàn", 500_000),
        (" 0 ", 0),
        ("12,5", Decimal("12.5")),
        (unicodedata.normalize("NFD", "1,5 tỷ"), 1_500_000_000),
        ("1.500", 1_500),
    ],
)
def test_an_amount_is_read_as_people_write_it(text: str, amount: int | Decimal) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mười triệu",
        "-5",
        "1e9",
        "10.00.000",
        "1.2.3",
        "1,234.567,8",
        "10tr tr",
        "1,5tr5",
        "tr",
        "₫",
        "١٢",
        "9" * 41,
        "1.5.tr",
        "10xyz",
    ],
)
def test_another_text_is_no_amount(text: str) -> None:
    assert parse_amount(text) is None


@pytest.mark.parametrize(("text", "count"), [("2.000", 2000), ("7", 7), ("1,5", None), ("x", None)])
def test_a_count_is_whole(text: str, count: int | None) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("28/11/2026", date(2026, 11, 28)),
        ("1/2/2027", date(2027, 2, 1)),
        ("01-02-2027", date(2027, 2, 1)),
        ("2026-11-28", date(2026, 11, 28)),
        (" 28.11.2026 ", date(2026, 11, 28)),
        ("31/02/2026", None),
        ("11/28/2026", None),
        ("28/11/26", None),
        ("", None),
        ("hôm nay", None),
    ],
)
def test_a_day_has_its_day_first(text: str, day: date | None) -> None:
    assert parse_day(text) == day


@pytest.mark.parametrize(
    ("language", "today", "earlier", "ago"),
    [
        ("vi", "16:58", "27/11/2026 17:00", "2 phút trước"),
        ("en", "16:58", "27 Nov 2026 17:00", "2 minutes ago"),
    ],
)
def test_a_moment_is_shown_in_the_zone_of_the_shop(language: str, today: str, earlier: str, ago: str) -> None:
    formats = Formats(translator_for("en" if language == "en" else "vi"), "Asia/Ho_Chi_Minh", NOW_MS)

    assert formats.moment(NOW_MS - 120_000) == today
    assert formats.moment(NOW_MS - 86_400_000) == earlier
    assert formats.ago(NOW_MS - 120_000) == ago
    assert formats.iso(NOW_MS) == "2026-11-28T17:00:00+07:00"


def test_what_never_happened_has_a_word() -> None:
    formats = Formats(translator_for("vi"), "Asia/Ho_Chi_Minh", NOW_MS)

    assert (formats.ago(0), formats.moment(0), formats.exact(0)) == ("chưa có", "—", "—")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 giây"), (59.9, "59 giây"), (60, "1 phút"), (3600, "1 giờ"), (86_400 * 3 + 1, "3 ngày")],
)
def test_a_length_has_its_largest_unit(seconds: float, text: str) -> None:
    assert Formats(translator_for("vi"), "UTC", NOW_MS).length(seconds) == text


def test_the_same_amount_is_shown_as_it_may_be_typed() -> None:
    shown = translator_for("vi").money(10_000_000_0000, "VND")

    assert shown == "10.000.000 ₫"
    assert parse_amount(shown) == 10_000_000
