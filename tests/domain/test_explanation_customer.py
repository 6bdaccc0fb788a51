"""A customer explained whole: every tag has an owner, every rule a verdict, and both agree with the decision."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.customers.drift import ExternalChange
from service.domain.customers.tags import fold
from service.domain.decisions.decide import decide
from service.domain.decisions.state import EMPTY_STATE, CustomerState, Hold, Ownership, WriteIntent
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.explain.customer import explain_customer
from service.domain.explain.data import to_data
from service.domain.explain.model import CustomerExplanation, ExplainInput
from service.domain.explain.text import render_text
from service.locales import translator_for
from tests.reference import strategies
from tests.reference.strategies import INHERITANCES, customer_states

JSON = msgspec.json.Encoder(decimal_format="number")
TODAY = date(2026, 11, 20)
DAY = TODAY.toordinal()
RULES = """
version: 1
rules:
  - {id: vip, name: {vi: Khách VIP, en: VIP customer}, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: fan, tag: Fan, keep: 30 days, when: {field: orders_count, op: at_least, value: 3}}
  - {id: old, tag: Founding, keep: forever, when: {field: created_at, op: before, value: 2020-01-01}}
  - {id: asleep, tag: Ngủ đông, when: {field: last_order_date, op: more_than_ago, value: 90 days}}
  - {id: both, tag: Đôi, when: {field: tags, op: has_all, value: [VIP, Fan]}}
tiers:
  - id: hang
    name: Hạng
    downgrade: {after: 90 days}
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
COMPILED = compile_rules(parse_rules(RULES))


def ms(day: date) -> int:
    return strategies.moment(day, 9, "Asia/Ho_Chi_Minh")


def told(customer: Customer, standing: CustomerState = EMPTY_STATE, **more: Any) -> CustomerExplanation:
    known = ExplainInput(
        customer=customer,
        state=standing,
        today=more.pop("today", DAY),
        now_ms=ms(TODAY),
        version=3,
        intents=more.pop("intents", {}),
        **more,
    )
    return explain_customer(COMPILED, known)


def ours(tag: str, rule: str, since: date = TODAY) -> dict[str, Ownership]:
    return {fold(tag): Ownership(tag, rule, ms(since), 2)}


def states(explained: CustomerExplanation) -> dict[str, str]:
    return {one.rule.id: one.status for one in explained.rules}


def test_each_tag_says_whether_we_others_or_nobody_yet_put_it_on() -> None:
    explained = told(
        Customer(id=1, total_spent=20_000_000_0000, tags=("VIP", "Khách sỉ", "Silver")),
        CustomerState(ours("VIP", "vip", date(2026, 11, 18))),
        intents={"silver": WriteIntent("Silver", "hang", ms(TODAY), 3)},
    )

    assert [(one.tag, one.origin, one.rule) for one in explained.tags] == [
        ("VIP", "ours", "vip"),
        ("Khách sỉ", "others", ""),
        ("Silver", "under_way", "hang"),
    ]
    said = render_text(explained, translator=translator_for("vi"))
    assert "  VIP: do quy tắc “Khách VIP” gắn từ 18/11/2026, bản v2" in said
    assert "  Silver: đang được gắn theo quy tắc “Hạng”" in said


def test_a_tag_that_was_adopted_is_not_said_to_be_put_on_by_a_rule() -> None:
    adopted = Ownership("VIP", "vip", ms(date(2026, 11, 18)), 2, adopted=True)

    explained = told(
        Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",)), CustomerState({"vip": adopted})
    )

    (tag,) = explained.tags
    assert (tag.origin, tag.rule) == ("adopted", "vip")
    said = render_text(explained, translator=translator_for("vi"))
    assert "  VIP: do người khác gắn; từ 18/11/2026 được nhận cho quy tắc “Khách VIP”, bản v2" in said


def test_what_others_did_to_tags_is_told_with_its_day() -> None:
    touches = {
        "vip": ExternalChange("VIP", added=False, at_ms=ms(date(2026, 11, 19))),
        "khách sỉ": ExternalChange("Khách sỉ", added=True, at_ms=ms(date(2026, 11, 17))),
        "gold": ExternalChange("Gold", added=False, at_ms=ms(date(2026, 11, 16))),
    }

    explained = told(
        Customer(id=1, total_spent=5_0000, tags=("Khách sỉ", "Báo chí")), external_changes=touches
    )

    assert [(one.tag, one.since_ms) for one in explained.tags] == [
        ("Khách sỉ", ms(date(2026, 11, 17))),
        ("Báo chí", 0),
    ]
    vi, en = (render_text(explained, translator=translator_for(each)) for each in ("vi", "en"))
    assert "    Nhãn VIP: có người gỡ ngày 19/11/2026 (không phải hệ thống)." in vi
    assert "    Nhãn Gold: có người gỡ ngày 16/11/2026 (không phải hệ thống)." in vi
    assert "  Khách sỉ: do người khác gắn (nhân viên hoặc ứng dụng khác), thấy từ 17/11/2026" in vi
    assert "  Báo chí: do người khác gắn (nhân viên hoặc ứng dụng khác)" in vi
    assert "    Tag VIP: somebody took it off on 19 Nov 2026 (not this service)." in en
    assert to_data(explained, translator=translator_for("en"), tag="Vip")["changed_by_others"] == [
        {"tag": "VIP", "added": False, "at_ms": ms(date(2026, 11, 19))}
    ]


def test_a_tag_whose_removal_is_undone_again_and_again_is_not_said_to_leave() -> None:
    standing = CustomerState(ours("VIP", "vip"))

    explained = told(
        Customer(id=1, total_spent=5_0000, tags=("VIP",)), standing, suppressed=frozenset({"vip"})
    )

    assert (explained.remove, explained.tags[0].will_be_removed) == ((), False)


def test_a_tag_that_is_back_is_not_said_to_be_taken_off() -> None:
    touches = {"vip": ExternalChange("VIP", added=False, at_ms=ms(date(2026, 11, 19)))}
    customer = Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",))

    explained = told(customer, CustomerState(ours("VIP", "vip")), external_changes=touches)

    assert "có người gỡ" not in "\n".join(render_text(explained, translator=translator_for("vi")))


HELD = {"fan": Hold("fan", DAY - 3)}


@pytest.mark.parametrize(
    ("customer", "standing", "more", "rule", "state"),
    [
        ({"total_spent": 20_000_000_0000, "tags": ("VIP",)}, EMPTY_STATE, {}, "vip", "has"),
        ({"total_spent": 20_000_000_0000}, EMPTY_STATE, {}, "vip", "gets"),
        ({"total_spent": 5_0000}, EMPTY_STATE, {}, "vip", "none"),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, EMPTY_STATE, {}, "vip", "not_ours"),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, CustomerState(ours("VIP", "vip")), {}, "vip", "loses"),
        ({"orders_count": 1, "tags": ("Fan",)}, CustomerState(ours("Fan", "fan"), HELD), {}, "fan", "kept"),
        (
            {"total_spent": 20_000_000_0000},
            CustomerState(excluded_rules=frozenset({"vip"})),
            {},
            "vip",
            "excluded",
        ),
        ({"total_spent": 20_000_000_0000}, EMPTY_STATE, {"suppressed": frozenset({"vip"})}, "vip", "stopped"),
        (
            {"total_spent": 5_0000, "tags": ("VIP",)},
            CustomerState(ours("VIP", "vip")),
            {"suppressed": frozenset({"vip"})},
            "vip",
            "stopped",
        ),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, CustomerState(ours("VIP", "gone")), {}, "vip", "left"),
    ],
    ids=["has", "gets", "none", "not ours", "loses", "kept", "excluded", "stopped", "stays", "left"],
)
def test_each_rule_says_how_it_stands(
    customer: dict[str, Any], standing: CustomerState, more: dict[str, Any], rule: str, state: str
) -> None:
    explained = told(Customer(id=1, **customer), standing, **more)

    assert states(explained)[rule] == state
    assert all(
        "{" not in line
        for each in ("vi", "en")
        for line in render_text(explained, translator=translator_for(each))
    )


def test_a_tag_that_no_live_rule_sets_and_a_shop_without_rules_are_said_to_be_so() -> None:
    explained = told(Customer(id=1, tags=("Khách sỉ",)))
    bare = explain_customer(compile_rules(validate_rules({"version": 1})), explained.input)

    assert "No live rule sets the tag khách sỉ." in render_text(
        explained, translator=translator_for("en"), tag="khách sỉ"
    )
    assert "Không có quy tắc nào đang hiệu lực gắn nhãn Vàng." in render_text(
        explained, translator=translator_for("vi"), tag="Vàng"
    )
    assert "Không có quy tắc nào đang hiệu lực." in render_text(bare, translator=translator_for("vi"))


def test_a_kept_tag_says_until_when_or_for_ever() -> None:
    customer = Customer(id=1, orders_count=1, tags=("Fan", "Founding"))
    standing = CustomerState(
        ours("Fan", "fan", date(2026, 11, 17)) | ours("Founding", "old"),
        {**HELD, "old": Hold("founding", DAY)},
    )

    said = "\n".join(render_text(told(customer, standing), translator=translator_for("vi")))

    assert "không còn khớp, nhãn Fan được giữ đến 17/12/2026" in said
    assert "không còn khớp, nhãn Founding đã gắn được giữ mãi" in said


def test_a_rule_that_reads_tags_is_explained_with_the_tags_that_earlier_rules_have_just_given() -> None:
    explained = told(Customer(id=1, total_spent=20_000_000_0000, orders_count=3))

    both = next(one for one in explained.rules if one.rule.id == "both")
    assert (both.status, both.trace.matched) == ("gets", True)
    assert set(explained.add) >= {"VIP", "Fan", "Đôi"}


def test_what_time_alone_will_do_is_said_with_its_day() -> None:
    explained = told(Customer(id=1, last_order_ms=ms(date(2026, 8, 30))))

    asleep = next(one for one in explained.rules if one.rule.id == "asleep")
    assert asleep.scheduled is not None
    assert (asleep.scheduled.day, asleep.scheduled.adds) == (date(2026, 11, 29).toordinal(), ("Ngủ đông",))
    said = render_text(explained, translator=translator_for("vi"), tag="ngủ ĐÔNG")
    assert "    Nếu không có gì mới, sẽ có nhãn Ngủ đông vào 29/11/2026." in said
    assert (
        states(told(Customer(id=1, last_order_ms=ms(date(2026, 8, 30))), today=DAY + 9))["asleep"] == "gets"
    )


def test_a_tier_says_what_is_missing_to_the_next_level_and_how_long_a_lost_one_stays() -> None:
    silver = told(Customer(id=1, total_spent=12_300_000_0000, tags=("Silver",)))
    falling = told(
        Customer(id=1, total_spent=12_300_000_0000, tags=("Gold",)),
        CustomerState(ours("Gold", "hang"), {"hang": Hold("gold", DAY - 100, DAY - 10)}),
    )

    assert any(
        "Kế tiếp là Gold: ✘" in line and "thiếu 37.700.000 ₫" in line
        for line in render_text(silver, translator=translator_for("vi"))
    )
    until = date.fromordinal(DAY + 80)
    assert (
        f"  Hạng — đang ở Gold · chỉ còn đủ điều kiện Silver; giữ hạng đến {until:%d/%m/%Y}"
        in render_text(falling, translator=translator_for("vi"))
    )


def test_asked_for_one_tag_nothing_else_is_told() -> None:
    data = to_data(told(Customer(id=1, tags=("VIP", "X"))), translator=translator_for("en"), tag="vip")

    assert [one["tag"] for one in data["tags"]] == ["VIP"]
    assert [one["id"] for one in data["rules"]] == ["vip"]
    assert data["tiers"] == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_an_explanation_agrees_with_the_decision_whatever_the_rules_and_the_standing(
    data: st.DataObject,
) -> None:
    doc = data.draw(strategies.documents().filter(lambda one: strategies.publishable(one) is not None))
    today, zone = data.draw(strategies.DAYS), doc["timezone"]
    compiled: CompiledRules = compile_rules(validate_rules(doc), inheritance=data.draw(INHERITANCES))
    known = ExplainInput(
        customer=data.draw(strategies.customers(zone)),
        state=data.draw(customer_states(zone, today)),
        today=today.toordinal(),
        now_ms=strategies.moment(today, 12, zone),
        version=4,
        intents={},
    )
    decision = decide(
        rules=compiled,
        customer=known.customer,
        state=known.state,
        today=known.today,
        now_ms=known.now_ms,
        version=4,
    )

    explained = explain_customer(compiled, known)

    assert (explained.add, explained.remove) == (decision.change.add, decision.change.remove)
    assert explained.next_change == decision.next_change
    added, removed = ({fold(tag) for tag in change} for change in (explained.add, explained.remove))
    for one in explained.rules:
        expected = {"gets": one.rule.key in added, "loses": one.rule.key in removed}
        assert expected.get(one.status, True), one
        if one.status in ("has", "gets"):
            assert one.trace.matched
            assert fold(one.rule.tag) in {fold(tag) for tag in decision.wanted}
    for language in ("vi", "en"):
        assert render_text(explained, translator=translator_for(language))
        assert JSON.encode(to_data(explained, translator=translator_for(language)))
