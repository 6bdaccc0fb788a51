"""A customer's history is a list of sentences in both languages."""

from __future__ import annotations

from decimal import Decimal

import pytest

from service.domain.customers.customer import Customer, CustomerId
from service.domain.customers.drift import ExternalChange
from service.domain.decisions.state import EMPTY_STATE
from service.domain.documents.parser import parse_rules
from service.domain.engine.compiler import compile_rules
from service.domain.explain.customer import explain_customer
from service.domain.explain.model import CustomerExplanation, ExplainInput
from service.domain.explain.wording import LANGUAGES
from service.locales import translator_for
from service.operations.customers.explain_text import format_dead_letter, format_deliveries, format_history
from service.store.history.deliveries import Delivery
from service.store.history.ledger import LedgerEntry, LedgerRow, to_dict
from service.store.queue.dead_letters import DeadLetter
from service.store.rules import RETRACTED_OWNER

NOON_MS = 1_795_237_200_000  # 21 November 2026, 12:00 in Việt Nam
HOUR_MS = 3_600_000
SEVEN = CustomerId(7)
RULES = "version: 1\nrules: [{id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: 5}}]"


def told(**touches: ExternalChange) -> CustomerExplanation:
    compiled = compile_rules(parse_rules(RULES))
    today = compiled.local_day(NOON_MS)
    known = ExplainInput(Customer(id=7), EMPTY_STATE, today, NOON_MS, 1, {}, external_changes=touches)
    return explain_customer(compiled, known)


def written(at_ms: int, entry: LedgerEntry) -> LedgerRow:
    return LedgerRow(f"{at_ms}-0", at_ms, SEVEN, entry)


def test_our_writes_and_external_changes_are_one_history_newest_first() -> None:
    given = LedgerEntry("+", "VIP", "vip", 1, "delivery", {"total_spent": 10_0000, "tags": []}, why="matched")
    shadow = LedgerEntry("-", "VIP", "gone", 2, "publish:P1", why="gone", written=False)
    explained = told(vip=ExternalChange("VIP", added=False, at_ms=NOON_MS + HOUR_MS))

    lines = format_history(
        explained,
        [written(NOON_MS + 2 * HOUR_MS, shadow), written(NOON_MS, given)],
        words=translator_for("vi"),
    )

    assert lines == [
        "21/11/2026 14:00 −VIP · quy tắc “gone” v2 · xuất bản P1 · quy tắc không còn áp dụng (chỉ ghi nhận, chưa gắn hay gỡ)",
        "21/11/2026 13:00 −VIP · do người khác thay đổi (nhân viên hoặc ứng dụng khác)",
        "21/11/2026 12:00 +VIP · quy tắc “Khách VIP” v1 · webhook · thỏa điều kiện · Tổng chi tiêu: 10 ₫",
    ]
    assert format_history(explained, [], words=translator_for("vi"), tag="Khác") == []


def test_the_values_of_an_entry_are_shown_with_amounts_in_units() -> None:
    values: dict[str, object] = {"total_spent": 9_660_000_0000, "avg_order_value": 41_9400, "orders_count": 3}

    data = to_dict(LedgerEntry("+", "VIP", "vip", 1, "delivery", values, why="matched"))

    assert data["values"] == {
        "total_spent": 9_660_000,
        "avg_order_value": Decimal("41.94"),
        "orders_count": 3,
    }


def test_a_retraction_is_not_attributed_to_a_rule() -> None:
    taken = LedgerEntry("-", "VIP", RETRACTED_OWNER, 1, "retract:A1", why="gone")

    (line,) = format_history(told(), [written(NOON_MS, taken)], words=translator_for("vi"))

    assert (
        line
        == "21/11/2026 12:00 −VIP · quy tắc “(thu hồi nhãn)” v1 · thu hồi nhãn (A1) · quy tắc không còn áp dụng"
    )


@pytest.mark.parametrize(
    "cause", ["undone:VIP", "rejected", "denied", "unavailable", "missing", "unreadable", "crash", "bug"]
)
def test_every_dead_letter_has_its_sentence(cause: str) -> None:
    letter = DeadLetter(SEVEN, cause, "a reason", 0, 0, 1, False)

    vi, en = (format_dead_letter(letter, words=translator_for(each)) for each in LANGUAGES)

    assert vi != en
    assert cause not in (vi, en)
    assert ("VIP" if ":" in cause else "a reason") in vi


def test_the_outcome_of_a_delivery_is_a_sentence() -> None:
    came = [
        Delivery("1-0", NOON_MS, SEVEN, outcome, False, "orders/paid", "", 2, False, "")
        for outcome in ("marked", "echo", "other")
    ]

    assert format_deliveries(told(), came, words=translator_for("vi")) == [
        "21/11/2026 12:00 orders/paid: đã nhận, sẽ kiểm tra khách hàng",
        "21/11/2026 12:00 orders/paid: không có gì mới",
        "21/11/2026 12:00 orders/paid: other",
    ]
