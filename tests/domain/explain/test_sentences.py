"""Every operator and field has its sentence in both languages, and the sentences read as people would say them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from service.domain.documents.parser import parse_rules
from service.domain.explain.sentences import (
    describe,
    describe_condition,
    describe_downgrade,
    describe_keep,
    describe_levels,
    describe_orphan_policy,
    describe_ownership_scope,
)
from service.domain.explain.wording import LANGUAGES, Language
from service.domain.rules.conditions import Condition
from service.domain.rules.fields import FIELDS, FieldType
from service.locales import translator_for
from tests.domain.explain.conditions import CONDITIONS


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS.keys())
def test_every_operator_of_every_field_has_its_sentence(condition: Condition, language: Language) -> None:
    translator = translator_for(language)

    sentence = describe_condition(condition, translator=translator, currency="VND")

    assert sentence
    assert "{" not in sentence
    if condition.operator.complement is not None:
        negated = describe_condition(condition, translator=translator, currency="VND", negated=True)
        assert negated != sentence


def test_every_type_of_field_is_tried() -> None:
    assert {FIELDS[condition.field].type for condition in CONDITIONS.values()} == set(FieldType)


@pytest.mark.parametrize(
    ("field", "op", "value", "vi", "en"),
    [
        (
            "total_spent", "at_least", 10_000_000,
            "Tổng chi tiêu từ 10.000.000 ₫ trở lên", "Total spent is at least ₫10,000,000",
        ),
        (
            "last_order_date", "more_than_ago", "3 months",
            "Lần mua gần nhất cách đây hơn 90 ngày", "Last order more than 90 days ago",
        ),
        ("created_at", "before", "2026-07-01", "Ngày tạo khách hàng trước ngày 01/07/2026", "Customer created before 1 Jul 2026"),
        ("birthday", "month_is", 5, "Sinh nhật vào tháng 5", "Birthday is in May"),
        ("gender", "is", "female", "Giới tính là nữ", "Gender is female"),
        ("state", "is", "Disabled", "Trạng thái tài khoản là chưa kích hoạt", "Account state is disabled"),
        ("email", "ends_with", "@example.com", "Email kết thúc bằng “@example.com”", "E-mail ends with “@example.com”"),
        ("tags", "has_none", ("A", "B"), "Chưa có nhãn nào trong các nhãn: A, B", "Has none of the tags: A, B"),
        ("tags", "has_none", ("A",), "Chưa có nhãn A", "Does not have the tag A"),
        ("tags", "has_any", ("A",), "Có nhãn A", "Has the tag A"),
        ("tags", "has_all", ("A",), "Có nhãn A", "Has the tag A"),
        ("orders_count", "between", (1, 5), "Số đơn hàng từ 1 đến 5", "Number of orders is between 1 and 5"),
        ("last_order_date", "within_last", "1 day", "Lần mua gần nhất trong vòng 1 ngày qua", "Last order within the last 1 day"),
        ("last_order_date", "is_empty", None, "Lần mua gần nhất: chưa có", "Last order: none"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_a_condition_reads_as_people_would_say_it(field: str, op: str, value: Any, vi: str, en: str) -> None:
    condition = Condition(field=field, op=op, value=value)

    assert describe_condition(condition, translator=translator_for("vi"), currency="VND") == vi
    assert describe_condition(condition, translator=translator_for("en"), currency="VND") == en


DOCUMENT = """
version: 1
rules:
  - id: fan
    name: {vi: Khách quen, en: Regular}
    tag: Fan
    keep: 30 days
    when:
      all:
        - {field: orders_count, op: at_least, value: 3}
        - any:
            - {field: accepts_marketing, op: is, value: true}
            - not: {field: tags, op: has_any, value: [Khách sỉ]}
            - not: {all: [{field: orders_count, op: at_most, value: 9}, {field: email, op: is_empty}]}
tiers:
  - id: hang
    downgrade: {after: 90 days}
    levels: [{tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}]
"""


def test_groups_of_conditions_are_one_sentence_with_brackets() -> None:
    (rule,) = parse_rules(DOCUMENT).rules

    assert describe(rule.when, translator=translator_for("vi"), currency="VND") == (
        "Số đơn hàng từ 3 trở lên VÀ (Nhận email quảng cáo: có HOẶC Chưa có nhãn Khách sỉ "
        "HOẶC KHÔNG phải: (Số đơn hàng từ 9 trở xuống VÀ Email để trống))"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_policies_of_a_rule_and_a_tier_have_their_sentences(language: Language) -> None:
    rule_set, translator = parse_rules(DOCUMENT), translator_for(language)
    rule, tier = rule_set.rules[0], rule_set.tiers[0]

    sentences = [
        describe_keep(rule, translator=translator),
        describe_ownership_scope(rule, translator=translator),
        describe_orphan_policy(rule, translator=translator),
        describe_downgrade(tier, translator=translator),
        *describe_levels(tier, translator=translator, currency="VND"),
        describe(rule.when, translator=translator, currency="VND"),
    ]

    assert all(sentences)
    assert not re.search(r"[{}]", "".join(sentences))
