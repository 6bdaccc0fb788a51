"""A customer explained whole: every tag has an owner, every rule a verdict, and both agree with the decision."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.compilation import compile_rules
from service.domain.customer_data import customer_data
from service.domain.customer_text import customer_lines
from service.domain.customers import Customer
from service.domain.decision import decide
from service.domain.evaluation import Compiled
from service.domain.inquiry import explain_customer
from service.domain.parsing import check_rules, parse_rules
from service.domain.standing import NOTHING, Hold, Intent, Owned, Standing
from service.domain.tags import fold
from service.domain.touches import Touch
from service.domain.verdicts import Explanation, Known
from service.locales import words
from tests.reference import strategies
from tests.reference.strategies import PASTS, standings

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


def told(customer: Customer, standing: Standing = NOTHING, **more: Any) -> Explanation:
    known = Known(
        customer=customer,
        standing=standing,
        today=more.pop("today", DAY),
        now_ms=ms(TODAY),
        version=3,
        intents=more.pop("intents", {}),
        **more,
    )
    return explain_customer(COMPILED, known)


def ours(tag: str, rule: str, since: date = TODAY) -> dict[str, Owned]:
    return {fold(tag): Owned(tag, rule, ms(since), 2)}


def states(explained: Explanation) -> dict[str, str]:
    return {one.source.id: one.state for one in explained.rules}


def test_each_tag_says_whether_we_others_or_nobody_yet_put_it_on() -> None:
    explained = told(
        Customer(id=1, total_spent=20_000_000_0000, tags=("VIP", "Khách sỉ", "Silver")),
        Standing(ours("VIP", "vip", date(2026, 11, 18))),
        intents={"silver": Intent("Silver", "hang", ms(TODAY), 3)},
    )

    assert [(one.tag, one.whose, one.rule) for one in explained.tags] == [
        ("VIP", "ours", "vip"),
        ("Khách sỉ", "others", ""),
        ("Silver", "under_way", "hang"),
    ]
    said = customer_lines(explained, words=words("vi"))
    assert "  VIP: do quy tắc “Khách VIP” gắn từ 18/11/2026, bản v2" in said
    assert "  Silver: đang được gắn theo quy tắc “Hạng”" in said


def test_a_tag_that_was_adopted_is_not_said_to_be_put_on_by_a_rule() -> None:
    adopted = Owned("VIP", "vip", ms(date(2026, 11, 18)), 2, adopted=True)

    explained = told(Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",)), Standing({"vip": adopted}))

    (tag,) = explained.tags
    assert (tag.whose, tag.rule) == ("adopted", "vip")
    said = customer_lines(explained, words=words("vi"))
    assert "  VIP: do người khác gắn; từ 18/11/2026 được nhận cho quy tắc “Khách VIP”, bản v2" in said


def test_what_others_did_to_tags_is_told_with_its_day() -> None:
    touches = {
        "vip": Touch("VIP", added=False, at_ms=ms(date(2026, 11, 19))),
        "khách sỉ": Touch("Khách sỉ", added=True, at_ms=ms(date(2026, 11, 17))),
        "gold": Touch("Gold", added=False, at_ms=ms(date(2026, 11, 16))),
    }

    explained = told(Customer(id=1, total_spent=5_0000, tags=("Khách sỉ", "Báo chí")), touches=touches)

    assert [(one.tag, one.since_ms) for one in explained.tags] == [
        ("Khách sỉ", ms(date(2026, 11, 17))),
        ("Báo chí", 0),
    ]
    vi, en = (customer_lines(explained, words=words(each)) for each in ("vi", "en"))
    assert "    Nhãn VIP: có người gỡ ngày 19/11/2026 (không phải hệ thống)." in vi
    assert "    Nhãn Gold: có người gỡ ngày 16/11/2026 (không phải hệ thống)." in vi
    assert "  Khách sỉ: do người khác gắn (nhân viên hoặc ứng dụng khác), thấy từ 17/11/2026" in vi
    assert "  Báo chí: do người khác gắn (nhân viên hoặc ứng dụng khác)" in vi
    assert "    Tag VIP: somebody took it off on 19 Nov 2026 (not this service)." in en
    assert customer_data(explained, words=words("en"), tag="Vip")["changed_by_others"] == [
        {"tag": "VIP", "added": False, "at_ms": ms(date(2026, 11, 19))}
    ]


def test_a_tag_whose_removal_is_undone_again_and_again_is_not_said_to_leave() -> None:
    standing = Standing(ours("VIP", "vip"))

    explained = told(Customer(id=1, total_spent=5_0000, tags=("VIP",)), standing, stopped=frozenset({"vip"}))

    assert (explained.remove, explained.tags[0].leaves) == ((), False)


def test_a_tag_that_is_back_is_not_said_to_be_taken_off() -> None:
    touches = {"vip": Touch("VIP", added=False, at_ms=ms(date(2026, 11, 19)))}
    customer = Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",))

    explained = told(customer, Standing(ours("VIP", "vip")), touches=touches)

    assert "có người gỡ" not in "\n".join(customer_lines(explained, words=words("vi")))


HELD = {"fan": Hold("fan", DAY - 3)}


@pytest.mark.parametrize(
    ("customer", "standing", "more", "rule", "state"),
    [
        ({"total_spent": 20_000_000_0000, "tags": ("VIP",)}, NOTHING, {}, "vip", "has"),
        ({"total_spent": 20_000_000_0000}, NOTHING, {}, "vip", "gets"),
        ({"total_spent": 5_0000}, NOTHING, {}, "vip", "none"),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, NOTHING, {}, "vip", "not_ours"),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, Standing(ours("VIP", "vip")), {}, "vip", "loses"),
        ({"orders_count": 1, "tags": ("Fan",)}, Standing(ours("Fan", "fan"), HELD), {}, "fan", "kept"),
        ({"total_spent": 20_000_000_0000}, Standing(excluded=frozenset({"vip"})), {}, "vip", "excluded"),
        ({"total_spent": 20_000_000_0000}, NOTHING, {"stopped": frozenset({"vip"})}, "vip", "stopped"),
        (
            {"total_spent": 5_0000, "tags": ("VIP",)},
            Standing(ours("VIP", "vip")),
            {"stopped": frozenset({"vip"})},
            "vip",
            "stopped",
        ),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, Standing(ours("VIP", "gone")), {}, "vip", "left"),
    ],
    ids=["has", "gets", "none", "not ours", "loses", "kept", "excluded", "stopped", "stays", "left"],
)
def test_each_rule_says_how_it_stands(
    customer: dict[str, Any], standing: Standing, more: dict[str, Any], rule: str, state: str
) -> None:
    explained = told(Customer(id=1, **customer), standing, **more)

    assert states(explained)[rule] == state
    assert all(
        "{" not in line for each in ("vi", "en") for line in customer_lines(explained, words=words(each))
    )


def test_a_tag_that_no_live_rule_sets_and_a_shop_without_rules_are_said_to_be_so() -> None:
    explained = told(Customer(id=1, tags=("Khách sỉ",)))
    bare = explain_customer(compile_rules(check_rules({"version": 1})), explained.known)

    assert "No live rule sets the tag khách sỉ." in customer_lines(
        explained, words=words("en"), tag="khách sỉ"
    )
    assert "Không có quy tắc nào đang hiệu lực gắn nhãn Vàng." in customer_lines(
        explained, words=words("vi"), tag="Vàng"
    )
    assert "Không có quy tắc nào đang hiệu lực." in customer_lines(bare, words=words("vi"))


def test_a_kept_tag_says_until_when_or_for_ever() -> None:
    customer = Customer(id=1, orders_count=1, tags=("Fan", "Founding"))
    standing = Standing(
        ours("Fan", "fan", date(2026, 11, 17)) | ours("Founding", "old"),
        {**HELD, "old": Hold("founding", DAY)},
    )

    said = "\n".join(customer_lines(told(customer, standing), words=words("vi")))

    assert "không còn khớp, nhãn Fan được giữ đến 17/12/2026" in said
    assert "không còn khớp, nhãn Founding đã gắn được giữ mãi" in said


def test_a_rule_that_reads_tags_is_explained_with_the_tags_that_earlier_rules_have_just_given() -> None:
    explained = told(Customer(id=1, total_spent=20_000_000_0000, orders_count=3))

    both = next(one for one in explained.rules if one.source.id == "both")
    assert (both.state, both.found.matched) == ("gets", True)
    assert set(explained.add) >= {"VIP", "Fan", "Đôi"}


def test_what_time_alone_will_do_is_said_with_its_day() -> None:
    explained = told(Customer(id=1, last_order_ms=ms(date(2026, 8, 30))))

    asleep = next(one for one in explained.rules if one.source.id == "asleep")
    assert asleep.coming is not None
    assert (asleep.coming.day, asleep.coming.adds) == (date(2026, 11, 29).toordinal(), ("Ngủ đông",))
    said = customer_lines(explained, words=words("vi"), tag="ngủ ĐÔNG")
    assert "    Nếu không có gì mới, sẽ có nhãn Ngủ đông vào 29/11/2026." in said
    assert (
        states(told(Customer(id=1, last_order_ms=ms(date(2026, 8, 30))), today=DAY + 9))["asleep"] == "gets"
    )


def test_a_tier_says_what_is_missing_to_the_next_level_and_how_long_a_lost_one_stays() -> None:
    silver = told(Customer(id=1, total_spent=12_300_000_0000, tags=("Silver",)))
    falling = told(
        Customer(id=1, total_spent=12_300_000_0000, tags=("Gold",)),
        Standing(ours("Gold", "hang"), {"hang": Hold("gold", DAY - 100, DAY - 10)}),
    )

    assert any(
        "Kế tiếp là Gold: ✘" in line and "thiếu 37.700.000 ₫" in line
        for line in customer_lines(silver, words=words("vi"))
    )
    until = date.fromordinal(DAY + 80)
    assert (
        f"  Hạng — đang ở Gold · chỉ còn đủ điều kiện Silver; giữ hạng đến {until:%d/%m/%Y}"
        in customer_lines(falling, words=words("vi"))
    )


def test_asked_for_one_tag_nothing_else_is_told() -> None:
    data = customer_data(told(Customer(id=1, tags=("VIP", "X"))), words=words("en"), tag="vip")

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
    compiled: Compiled = compile_rules(check_rules(doc), past=data.draw(PASTS))
    known = Known(
        customer=data.draw(strategies.customers(zone)),
        standing=data.draw(standings(zone, today)),
        today=today.toordinal(),
        now_ms=strategies.moment(today, 12, zone),
        version=4,
        intents={},
    )
    decision = decide(
        compiled=compiled,
        customer=known.customer,
        standing=known.standing,
        today=known.today,
        now_ms=known.now_ms,
        version=4,
    )

    explained = explain_customer(compiled, known)

    assert (explained.add, explained.remove) == (decision.change.add, decision.change.remove)
    assert explained.next_change == decision.next_change
    added, removed = ({fold(tag) for tag in change} for change in (explained.add, explained.remove))
    for one in explained.rules:
        expected = {"gets": one.source.key in added, "loses": one.source.key in removed}
        assert expected.get(one.state, True), one
        if one.state in ("has", "gets"):
            assert one.found.matched
            assert fold(one.source.tag) in {fold(tag) for tag in decision.wanted}
    for language in ("vi", "en"):
        assert customer_lines(explained, words=words(language))
        assert JSON.encode(customer_data(explained, words=words(language)))
