"""What the demo says and judges, apart from the processes that it runs."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from deploy.demonstration.follow import Outcome, percentile
from deploy.demonstration.happenings import Day
from deploy.demonstration.judge import Judge
from deploy.demonstration.screen import Screen
from deploy.demonstration.words import Reasons, dong
from deploy.sandbox import Clock, Sandbox, ShopHandle
from service.domain.customers import Customer, CustomerId
from service.domain.parsing import parse_rules
from service.store.ledger import Entry, Written

RULES = parse_rules((Path(__file__).parents[2] / "deploy/rules/demo.yaml").read_text(encoding="utf-8"))
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def entry(action: str, tag: str, rule: str, **values: object) -> Entry:
    return Entry(
        action="+" if action == "+" else "-", tag=tag, rule=rule, version=1, cause="delivery", values=values
    )


REASONS = [
    ("money", entry("+", "VIP", "vip", total_spent=10_400_000_0000), "VIP customer: spent 10.400.000 ₫"),
    ("a flag", entry("+", "N", "hcm-nhan-tin", accepts_marketing=True, tags=[]), "Lives in Hồ Chí Minh and subscribed: newsletter yes"),
    ("a number and a day", entry("+", "N", "nguoi-quen-ngu-dong", orders_count=3, last_order_date="2026-07-08"),
     "Regular without an order for 90 days: orders 3, last order 2026-07-08"),
    ("nothing there", entry("-", "S", "sinh-nhat", birthday=None), "Birthday this month: no birthday"),
    ("no values", entry("+", "V", "hang"), "Membership tier"),
    ("a rule that is gone", entry("-", "X", "old-rule"), "old-rule"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS])
def test_a_reason_names_the_rule_and_the_values(written: Entry, said: str) -> None:
    assert Reasons(RULES).why(written) == said


def test_amounts_have_dots_between_thousands() -> None:
    assert dong(2_450_000) == "2.450.000 ₫"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=width))

    screen.happened(
        NOW.timestamp(),
        "Nguyễn Thị Bích Phượng",
        "is a new customer in Hồ Chí Minh, born this month, takes the newsletter",
    )
    written = entry(
        "+", "Sinh nhật tháng này", "nguoi-quen-ngu-dong", orders_count=3, last_order_date="2026-07-08"
    )
    screen.came_of_it(Outcome((Written("1-0", 1, CustomerId(7), written),), 0.08), Reasons(RULES))

    assert max(map(len, out.getvalue().splitlines())) <= width
    assert "0.08 s" in out.getvalue()


def test_a_file_gets_neither_colours_nor_lines_that_are_overwritten() -> None:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=80))

    with screen.footer():
        screen.now(["1 customer waiting"])
        screen.plain("text")

    assert out.getvalue() == "text\n"


def test_the_judge_finds_what_is_lacking_and_what_is_too_much() -> None:
    customer = Customer(id=7, total_spent=9_000_000_0000, orders_count=1, tags=("VIP", "Khách sỉ"))

    wrong = Judge(RULES).wrong(customer, NOW)

    assert wrong is not None
    assert (wrong.lacking, wrong.too_many) == (("Hạng Bạc",), ("VIP",))


def test_the_judge_is_content_with_right_tags_in_any_spelling() -> None:
    customer = Customer(id=7, total_spent=9_000_000_0000, orders_count=1, tags=("HẠNG BẠC", "Zalo"))

    assert Judge(RULES).wrong(customer, NOW) is None


def shop(seed: int) -> ShopHandle:
    haravan = Sandbox(clock=Clock.frozen(NOW)).add_shop()
    haravan.populate(100, seed=seed)
    return haravan


def played(seed: int, *, by_hand: bool) -> list[tuple[str, str]]:
    haravan = shop(seed)
    day = Day(haravan, Judge(RULES), Random(seed))
    day.by_hand = by_hand
    told: list[tuple[str, str]] = []
    for happening in islice(day, 30):
        happening.act()
        told.append((happening.who, happening.what))
    return told


def test_the_same_seed_makes_the_same_day() -> None:
    assert played(3, by_hand=True) == played(3, by_hand=True)
    assert played(3, by_hand=True) != played(4, by_hand=True)


def test_staff_touch_no_tags_before_everybody_was_looked_at() -> None:
    assert not [what for _, what in played(3, by_hand=False) if "staff" in what]
    assert [what for _, what in played(3, by_hand=True) if "staff" in what]


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0], 0.95) == 1.0
    assert percentile([], 0.95) == 0.0
