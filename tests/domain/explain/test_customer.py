"""An explanation of a customer agrees with the decision: every tag has an origin, every rule a status."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer, MissingField, MissingReason
from service.domain.customers.drift import ExternalChange
from service.domain.customers.tags import fold
from service.domain.decisions.decide import decide
from service.domain.decisions.state import EMPTY_STATE, CustomerState, Hold, Ownership, WriteIntent
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.explain.customer import explain_customer, next_change_by_rule
from service.domain.explain.data import to_data
from service.domain.explain.model import CustomerExplanation, ExplainInput
from service.domain.explain.text import render_text
from service.domain.explain.wording import LANGUAGES, Language
from service.locales import translator_for
from tests.domain.explain.conditions import TODAY, moment
from tests.reference import strategies
from tests.reference.strategies import INHERITANCES, customer_states

JSON = msgspec.json.Encoder(decimal_format="number")
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


def explain(customer: Customer, state: CustomerState = EMPTY_STATE, **more: Any) -> CustomerExplanation:
    inputs = ExplainInput(
        customer=customer,
        state=state,
        today=more.pop("today", DAY),
        now_ms=moment(TODAY),
        version=3,
        intents=more.pop("intents", {}),
        **more,
    )
    return explain_customer(COMPILED, inputs)


def owned(tag: str, rule: str, since: date = TODAY) -> dict[str, Ownership]:
    return {fold(tag): Ownership(tag, rule, moment(since), 2)}


def removed_by_others(tag: str, day: date) -> ExternalChange:
    return ExternalChange(tag, added=False, at_ms=moment(day))


def statuses(explanation: CustomerExplanation) -> dict[str, str]:
    return {rule.rule.id: rule.status for rule in explanation.rules}


def text(explanation: CustomerExplanation, language: Language = "vi", *, tag: str = "") -> list[str]:
    return render_text(explanation, translator=translator_for(language), tag=tag)


def test_each_tag_has_its_origin() -> None:
    explanation = explain(
        Customer(id=1, total_spent=20_000_000_0000, tags=("VIP", "Khách sỉ", "Silver")),
        CustomerState(owned("VIP", "vip", date(2026, 11, 18))),
        intents={"silver": WriteIntent("Silver", "hang", moment(TODAY), 3)},
    )

    assert [(tag.tag, tag.origin, tag.rule) for tag in explanation.tags] == [
        ("VIP", "ours", "vip"),
        ("Khách sỉ", "others", ""),
        ("Silver", "under_way", "hang"),
    ]
    lines = text(explanation)
    assert "  VIP: do quy tắc “Khách VIP” gắn từ 18/11/2026, phiên bản 2" in lines
    assert "  Silver: đang được gắn theo quy tắc “Hạng”" in lines


def test_an_adopted_tag_was_added_by_somebody_else() -> None:
    adopted = Ownership("VIP", "vip", moment(date(2026, 11, 18)), 2, adopted=True)

    explanation = explain(
        Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",)), CustomerState({"vip": adopted})
    )

    (tag,) = explanation.tags
    assert (tag.origin, tag.rule) == ("adopted", "vip")
    assert "  VIP: do người khác gắn; từ 18/11/2026 thuộc quy tắc “Khách VIP”, phiên bản 2" in text(
        explanation
    )


def test_changes_by_others_are_shown_with_their_day() -> None:
    changes = {
        "vip": removed_by_others("VIP", date(2026, 11, 19)),
        "khách sỉ": ExternalChange("Khách sỉ", added=True, at_ms=moment(date(2026, 11, 17))),
        "gold": removed_by_others("Gold", date(2026, 11, 16)),
    }

    explanation = explain(
        Customer(id=1, total_spent=5_0000, tags=("Khách sỉ", "Báo chí")), external_changes=changes
    )

    assert [(tag.tag, tag.since_ms) for tag in explanation.tags] == [
        ("Khách sỉ", moment(date(2026, 11, 17))),
        ("Báo chí", 0),
    ]
    vi, en = text(explanation, "vi"), text(explanation, "en")
    assert "    Nhãn VIP đã bị người khác gỡ ngày 19/11/2026 (nhân viên hoặc ứng dụng khác)." in vi
    assert "    Nhãn Gold đã bị người khác gỡ ngày 16/11/2026 (nhân viên hoặc ứng dụng khác)." in vi
    assert "  Khách sỉ: do người khác gắn (nhân viên hoặc ứng dụng khác), ghi nhận từ 17/11/2026" in vi
    assert "  Báo chí: do người khác gắn (nhân viên hoặc ứng dụng khác)" in vi
    assert "    Tag VIP was removed by somebody else on 19 Nov 2026 (staff or another app)." in en
    assert to_data(explanation, translator=translator_for("en"), tag="Vip")["changed_by_others"] == [
        {"tag": "VIP", "added": False, "at_ms": moment(date(2026, 11, 19))}
    ]


def test_a_tag_whose_removal_is_suppressed_will_not_be_removed() -> None:
    customer = Customer(id=1, total_spent=5_0000, tags=("VIP",))

    explanation = explain(customer, CustomerState(owned("VIP", "vip")), suppressed=frozenset({"vip"}))

    assert (explanation.remove, explanation.tags[0].will_be_removed) == ((), False)


def test_a_tag_that_is_back_is_not_shown_as_removed_by_others() -> None:
    changes = {"vip": removed_by_others("VIP", date(2026, 11, 19))}
    customer = Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",))

    explanation = explain(customer, CustomerState(owned("VIP", "vip")), external_changes=changes)

    assert "người khác gỡ" not in "\n".join(text(explanation))


HOLDS = {"fan": Hold("fan", DAY - 3)}


@pytest.mark.parametrize(
    ("customer", "state", "more", "rule", "status"),
    [
        ({"total_spent": 20_000_000_0000, "tags": ("VIP",)}, EMPTY_STATE, {}, "vip", "has"),
        ({"total_spent": 20_000_000_0000}, EMPTY_STATE, {}, "vip", "gets"),
        ({"total_spent": 5_0000}, EMPTY_STATE, {}, "vip", "none"),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, EMPTY_STATE, {}, "vip", "not_ours"),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, CustomerState(owned("VIP", "vip")), {}, "vip", "loses"),
        ({"orders_count": 1, "tags": ("Fan",)}, CustomerState(owned("Fan", "fan"), HOLDS), {}, "fan", "kept"),
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
            CustomerState(owned("VIP", "vip")),
            {"suppressed": frozenset({"vip"})},
            "vip",
            "stopped",
        ),
        ({"total_spent": 5_0000, "tags": ("VIP",)}, CustomerState(owned("VIP", "gone")), {}, "vip", "left"),
    ],
    ids=[
        "has",
        "gets",
        "none",
        "not ours",
        "loses",
        "kept",
        "excluded",
        "addition stopped",
        "removal stopped",
        "left",
    ],
)
def test_each_rule_has_its_status(
    customer: dict[str, Any], state: CustomerState, more: dict[str, Any], rule: str, status: str
) -> None:
    explanation = explain(Customer(id=1, **customer), state, **more)

    assert statuses(explanation)[rule] == status
    assert not any("{" in line for language in LANGUAGES for line in text(explanation, language))


def test_a_tag_without_a_rule_and_a_shop_without_rules_say_so() -> None:
    explanation = explain(Customer(id=1, tags=("Khách sỉ",)))
    no_rules = explain_customer(compile_rules(validate_rules({"version": 1})), explanation.input)

    assert "No live rule sets the tag khách sỉ." in text(explanation, "en", tag="khách sỉ")
    assert "Không có quy tắc nào đang áp dụng cho nhãn Vàng." in text(explanation, tag="Vàng")
    assert "Không có quy tắc nào đang áp dụng." in text(no_rules)


def test_a_kept_tag_has_its_last_day_or_stays_for_ever() -> None:
    customer = Customer(id=1, orders_count=1, tags=("Fan", "Founding"))
    state = CustomerState(
        owned("Fan", "fan", date(2026, 11, 17)) | owned("Founding", "old"),
        {**HOLDS, "old": Hold("founding", DAY)},
    )

    lines = "\n".join(text(explain(customer, state)))

    assert "không còn thỏa điều kiện, nhãn Fan được giữ đến 17/12/2026" in lines
    assert "không còn thỏa điều kiện, nhãn Founding đã gắn thì giữ luôn" in lines


def test_a_rule_that_reads_tags_is_traced_with_the_tags_that_earlier_rules_give() -> None:
    explanation = explain(Customer(id=1, total_spent=20_000_000_0000, orders_count=3))

    both = next(rule for rule in explanation.rules if rule.rule.id == "both")
    assert (both.status, both.trace.matched) == ("gets", True)
    assert set(explanation.add) >= {"VIP", "Fan", "Đôi"}


def test_a_scheduled_change_has_its_day() -> None:
    customer = Customer(id=1, last_order_ms=moment(date(2026, 8, 30)))

    explanation = explain(customer)

    asleep = next(rule for rule in explanation.rules if rule.rule.id == "asleep")
    assert asleep.scheduled is not None
    assert (asleep.scheduled.day, asleep.scheduled.adds) == (date(2026, 11, 29).toordinal(), ("Ngủ đông",))
    lines = text(explanation, tag="ngủ ĐÔNG")
    assert "    Nếu không có gì mới, sẽ được gắn nhãn Ngủ đông vào ngày 29/11/2026." in lines
    assert statuses(explain(customer, today=DAY + 9))["asleep"] == "gets"


def test_a_tier_shows_what_is_missing_to_the_next_level() -> None:
    explanation = explain(Customer(id=1, total_spent=12_300_000_0000, tags=("Silver",)))

    assert any(
        "Tiếp theo là Gold: ✘" in line and "còn thiếu 37.700.000 ₫" in line for line in text(explanation)
    )


@pytest.mark.parametrize(
    ("spent", "lost"),
    [(12_300_000, "chỉ còn đủ điều kiện Silver"), (5, "không còn đủ điều kiện hạng nào")],
    ids=["a lower level", "no level"],
)
def test_a_lost_level_stays_until_its_day(spent: int, lost: str) -> None:
    explanation = explain(
        Customer(id=1, total_spent=spent * 10_000, tags=("Gold",)),
        CustomerState(owned("Gold", "hang"), {"hang": Hold("gold", DAY - 100, DAY - 10)}),
    )

    until = date.fromordinal(DAY + 80)
    assert f"  Hạng — đang ở Gold · {lost}; được giữ hạng đến {until:%d/%m/%Y}" in text(explanation)


def test_an_explanation_of_one_tag_has_nothing_about_others() -> None:
    data = to_data(explain(Customer(id=1, tags=("VIP", "X"))), translator=translator_for("en"), tag="vip")

    assert [tag["tag"] for tag in data["tags"]] == ["VIP"]
    assert [rule["id"] for rule in data["rules"]] == ["vip"]
    assert data["tiers"] == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_an_explanation_agrees_with_the_decision_for_any_rules_and_state(data: st.DataObject) -> None:
    document = data.draw(strategies.documents().filter(lambda doc: strategies.publishable(doc) is not None))
    today, zone = data.draw(strategies.DAYS), document["timezone"]
    compiled: CompiledRules = compile_rules(validate_rules(document), inheritance=data.draw(INHERITANCES))
    inputs = ExplainInput(
        customer=data.draw(strategies.customers(zone)),
        state=data.draw(customer_states(zone, today)),
        today=today.toordinal(),
        now_ms=strategies.moment(today, 12, zone),
        version=4,
        intents={},
    )
    decision = decide(
        rules=compiled,
        customer=inputs.customer,
        state=inputs.state,
        today=inputs.today,
        now_ms=inputs.now_ms,
        version=4,
    )

    explanation = explain_customer(compiled, inputs)

    assert (explanation.add, explanation.remove) == (decision.change.add, decision.change.remove)
    assert explanation.next_change == decision.next_change
    added, removed = (set(map(fold, tags)) for tags in (explanation.add, explanation.remove))
    for rule in explanation.rules:
        expected = {"gets": rule.rule.key in added, "loses": rule.rule.key in removed}
        assert expected.get(rule.status, True), rule
        if rule.status in ("has", "gets"):
            assert rule.trace.matched
            assert rule.rule.key in set(map(fold, decision.wanted))
    for language in LANGUAGES:
        assert text(explanation, language)
        assert JSON.encode(to_data(explanation, translator=translator_for(language)))


def lacking(*keys: str, reason: MissingReason = MissingReason.ABSENT, **more: Any) -> Customer:
    return Customer(id=1, missing=tuple(MissingField(key, reason) for key in sorted(keys)), **more)


def test_a_rule_whose_field_is_missing_is_undecided_and_the_others_are_not() -> None:
    explanation = explain(lacking("last_order_date", total_spent=20_000_000_0000, tags=("Ngủ đông",)))

    assert statuses(explanation)["asleep"] == "undecided"
    assert statuses(explanation)["vip"] == "gets"
    assert explanation.remove == ()
    vi, en = "\n".join(text(explanation, "vi")), "\n".join(text(explanation, "en"))
    assert "chưa xét được: dữ liệu khách hàng không có lần mua gần nhất" in vi
    assert "? Lần mua gần nhất cách đây hơn 90 ngày (dữ liệu không có)" in vi
    assert "not decided: the record has no last order" in en
    data = to_data(explanation, translator=translator_for("en"), tag="Ngủ đông")["rules"][0]
    assert (data["state"], data["missing"]) == ("undecided", {"last_order_date": "absent"})
    assert (data["when"]["matched"], data["when"]["missing"]) == (None, "absent")


@pytest.mark.parametrize("reason", MissingReason)
def test_a_tier_whose_field_is_missing_is_undecided(reason: MissingReason) -> None:
    explanation = explain(lacking("total_spent", reason=reason, orders_count=5, tags=("Gold",)))

    (tier,) = explanation.tiers
    assert (tier.current, tier.earned, tier.scheduled) == (0, None, None)
    assert tier.missing == {"total_spent": reason}
    assert "chưa xét được" in "\n".join(text(explanation, tag="Gold"))
    assert explanation.remove == ()


def test_a_last_order_in_the_future_is_explained() -> None:
    customer = Customer(id=1, last_order_ms=moment(date(2027, 3, 1)))

    assert "ngày trong tương lai" in "\n".join(text(explain(customer), tag="Ngủ đông"))


def next_changes(
    *rules: dict[str, Any], customer: Customer, state: CustomerState = EMPTY_STATE
) -> dict[str, date | None]:
    compiled = compile_rules(validate_rules({"rules": [*rules]}))
    decision = decide(
        rules=compiled, customer=customer, state=state, today=DAY, now_ms=moment(TODAY), version=1
    )
    days = next_change_by_rule(compiled=compiled, customer=customer, decision=decision, today=DAY)
    return {rule: None if day is None else date.fromordinal(day) for rule, day in days.items()}


def test_a_rule_that_reads_another_rules_tag_may_change_on_that_rules_day() -> None:
    recent = {"field": "last_order_date", "op": "within_last", "value": "30 days"}
    first = {"id": "fresh", "tag": "Fresh", "when": recent}
    second = {"id": "reader", "tag": "Reader", "when": {"field": "tags", "op": "has_any", "value": ["fresh"]}}
    steady = {"id": "steady", "tag": "Steady", "when": {"field": "orders_count", "op": "is", "value": 1}}
    customer = Customer(id=1, last_order_ms=moment(date(2026, 11, 11)))

    days = next_changes(first, second, steady, customer=customer)

    assert days == {"fresh": date(2026, 12, 12), "reader": date(2026, 12, 12), "steady": None}


def test_a_rule_may_change_at_the_end_of_its_hold() -> None:
    kept = {
        "id": "kept",
        "tag": "Kept",
        "keep": "30 days",
        "when": {"field": "orders_count", "op": "is", "value": 1},
    }
    since = date(2026, 11, 11)
    state = CustomerState(
        {"kept": Ownership("Kept", "kept", moment(since), 1)}, {"kept": Hold("kept", since.toordinal())}
    )

    days = next_changes(kept, customer=Customer(id=1, orders_count=2, tags=("Kept",)), state=state)

    assert days == {"kept": date(2026, 12, 11)}
