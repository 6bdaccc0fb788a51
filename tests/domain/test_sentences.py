"""Every operator, field and state has its sentence in both languages, and the sentences say what they should."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from service.domain.decisions.outcome import ChangeCause
from service.domain.documents.parser import parse_rules
from service.domain.explain.model import RuleStatus
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
from service.domain.rules.fields import FIELDS, Field, FieldType
from service.domain.rules.operands import OperandType
from service.domain.rules.operators import OPERATORS
from service.locales import catalog_for, parse_language, translator_for
from service.store.jobs.runs import ID_PREFIX

SAMPLES: dict[OperandType, Any] = {
    OperandType.NONE: None,
    OperandType.MONEY: 10_000_000,
    OperandType.MONEY_RANGE: (1_000_000, 5_000_000),
    OperandType.INTEGER: 3,
    OperandType.INTEGER_RANGE: (1, 5),
    OperandType.DURATION: "90 ngày",
    OperandType.DATE: "2026-07-01",
    OperandType.MONTH: 5,
    OperandType.BOOLEAN: True,
    OperandType.CHOICE: "Hồ Chí Minh",
    OperandType.CHOICE_LIST: ("Hồ Chí Minh", "Hà Nội"),
    OperandType.TEXT: "an",
    OperandType.TAG_LIST: ("Khách sỉ", "blacklist"),
}


def every_condition() -> Iterator[tuple[str, Condition]]:
    for field in FIELDS.values():
        for op in OPERATORS[field.type].values():
            value = _sample(field, op.operand_type)
            yield f"{field.name} {op.name}", Condition(field=field.name, op=op.name, value=value)


def _sample(field: Field, takes: OperandType) -> Any:
    if field.name == "gender" and takes in {OperandType.CHOICE, OperandType.CHOICE_LIST}:
        return "female" if takes is OperandType.CHOICE else ("female",)
    return SAMPLES[takes]


CONDITIONS = dict(every_condition())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS.keys())
def test_every_operator_of_every_field_has_its_sentence(condition: Condition, language: Language) -> None:
    said = describe_condition(condition, translator=translator_for(language), currency="VND")

    assert said
    assert "{" not in said
    negated = condition.operator.complement
    if negated is not None:
        assert (
            describe_condition(condition, translator=translator_for(language), currency="VND", negated=True)
            != said
        )


def test_both_languages_have_the_same_sentences_with_the_same_gaps() -> None:
    both = [{message.id: message.string for message in catalog_for(one) if message.id} for one in LANGUAGES]

    assert both[0].keys() == both[1].keys()
    for key in both[0]:
        assert gaps(both[0][key]) == gaps(both[1][key]), key
        assert all(filled(each[key]) for each in both), key


def gaps(text: object) -> set[str]:
    texts = text if isinstance(text, tuple) else (text,)
    found = {name for each in texts for _, name, _, _ in string.Formatter().parse(str(each)) if name}
    return found - {"name", "month", "year"}  # each language writes days its own way


def filled(text: object) -> bool:
    texts = text if isinstance(text, tuple) else (text,)
    return all(bool(str(each).strip()) for each in texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_a_decision_can_say_has_its_words(language: Language) -> None:
    said = translator_for(language)
    keys = [f"state.{one}" for one in get_args(RuleStatus) if one != "kept"]
    keys += ["state.kept.until", "state.kept.forever", *(f"why.{one}" for one in get_args(ChangeCause))]
    keys += [
        f"cause.{kind}" for kind in ("delivery", "schedule", "requeue", "retry", "recovered", *ID_PREFIX)
    ]

    assert [key for key in keys if not said.has(key)] == []


def test_a_key_that_nobody_wrote_is_an_error_not_a_text() -> None:
    with pytest.raises(KeyError):
        translator_for("vi")("no.such.key")


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
        ("created_at", "before", "2026-07-01", "Ngày tạo khách trước ngày 01/07/2026", "Customer created before 1 Jul 2026"),
        ("birthday", "month_is", 5, "Sinh nhật vào tháng 5", "Birthday is in May"),
        ("gender", "is", "female", "Giới tính là nữ", "Gender is female"),
        ("state", "is", "Disabled", "Trạng thái tài khoản là chưa kích hoạt", "Account state is disabled"),
        ("email", "ends_with", "@example.com", "Email kết thúc bằng “@example.com”", "E-mail ends with “@example.com”"),
        ("tags", "has_none", ("A", "B"), "Nhãn không có: A, B", "Tags: has none of A, B"),
        ("orders_count", "between", (1, 5), "Số đơn hàng từ 1 đến 5", "Number of orders is between 1 and 5"),
        ("last_order_date", "within_last", "1 day", "Lần mua gần nhất trong vòng 1 ngày qua", "Last order within the last 1 day"),
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


def test_conditions_read_as_one_sentence_with_their_groups_in_brackets() -> None:
    (rule,) = parse_rules(DOCUMENT).rules

    assert describe(rule.when, translator=translator_for("vi"), currency="VND") == (
        "Số đơn hàng từ 3 trở lên VÀ (Nhận tin tiếp thị: có HOẶC Nhãn không có: Khách sỉ "
        "HOẶC KHÔNG phải: (Số đơn hàng từ 9 trở xuống VÀ Email để trống))"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_else_a_rule_says_is_said_too(language: Language) -> None:
    rule_set, said = parse_rules(DOCUMENT), translator_for(language)
    rule, tier = rule_set.rules[0], rule_set.tiers[0]

    told = [
        describe_keep(rule, translator=said),
        describe_ownership_scope(rule, translator=said),
        describe_orphan_policy(rule, translator=said),
        describe_downgrade(tier, translator=said),
        *describe_levels(tier, translator=said, currency="VND"),
        describe(rule.when, translator=said, currency="VND"),
    ]

    assert all(told)
    assert not re.search(r"[{}]", "".join(told))


def test_a_language_that_we_do_not_have_is_vietnamese() -> None:
    assert (parse_language("en"), parse_language("fr"), parse_language(None)) == ("en", "vi", "vi")


def test_every_field_and_kind_is_walked() -> None:
    assert {FIELDS[one.field].type for one in CONDITIONS.values()} == set(FieldType)
