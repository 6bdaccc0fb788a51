"""What the demo prints."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from deploy.demonstration.observer import EventResult
from deploy.demonstration.view import Reasons, Screen, format_vnd
from service.domain.customers.customer import CustomerId
from service.domain.documents.parser import parse_rules
from service.domain.explain import Language
from service.locales import translator_for
from service.sentence import Sentence
from service.store.history.ledger import LedgerEntry, LedgerRow

RULES = parse_rules((Path(__file__).parents[3] / "deploy/rules/demo.yaml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def entry(action: str, tag: str, rule: str, **values: object) -> LedgerEntry:
    return LedgerEntry(
        action="+" if action == "+" else "-", tag=tag, rule=rule, version=1, cause="delivery", values=values
    )


REASONS = [
    ("money", entry("+", "VIP", "vip", total_spent=10_400_000_0000), "VIP customer: spent 10.400.000 ₫"),
    ("a flag", entry("+", "N", "hcm-nhan-tin", accepts_marketing=True, tags=[]), "Lives in Hồ Chí Minh and subscribed: newsletter: yes"),
    ("a number and a day", entry("+", "N", "nguoi-quen-ngu-dong", orders_count=3, last_order_date="2026-07-08"),
     "Regular without an order for 90 days: orders 3, last order 2026-07-08"),
    ("nothing there", entry("-", "S", "sinh-nhat", birthday=None), "Birthday this month: no birthday"),
    ("no values", entry("+", "V", "hang"), "Membership tier"),
    ("a rule that is gone", entry("-", "X", "old-rule"), "old-rule"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "text"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS])
def test_a_reason_names_the_rule_and_the_values(entry: LedgerEntry, text: str) -> None:
    assert Reasons(RULES, translator_for("en")).why(entry) == text


def test_a_reason_is_in_the_language_of_the_screen() -> None:
    reasons = Reasons(RULES, translator_for("vi"))

    assert reasons.why(REASONS[0][1]) == "Khách VIP: chi tiêu 10.400.000 ₫"
    assert reasons.why(REASONS[3][1]) == "Sinh nhật tháng này: chưa có sinh nhật"


def test_amounts_have_dots_between_thousands() -> None:
    assert format_vnd(2_450_000) == "2.450.000 ₫"


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int, language: Language) -> None:
    out, words = io.StringIO(), translator_for(language)
    screen = Screen(Console(file=out, width=width), words)

    screen.show_event(
        NOW.timestamp(),
        "Nguyễn Thị Bích Phượng",
        Sentence("is a new customer in Hồ Chí Minh, born this month, subscribes to the newsletter"),
    )
    written = entry(
        "+", "Sinh nhật tháng này", "nguoi-quen-ngu-dong", orders_count=3, last_order_date="2026-07-08"
    )
    screen.show_result(
        EventResult((LedgerRow("1-0", 1, CustomerId(7), written),), 0.08), Reasons(RULES, words)
    )

    assert max(map(len, out.getvalue().splitlines())) <= width
    assert "0.08 s" in out.getvalue()


def test_a_file_gets_neither_colours_nor_a_status_line() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=80), translator_for("vi"))

    with screen.status_line():
        screen.update_status([Sentence("customers waiting: {count}", count=1)])
        screen.plain(Sentence("the demo"))

    assert out.getvalue() == "bản chạy thử\n"
