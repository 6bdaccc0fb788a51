"""The difference of two sets of rules is told by rule, in sentences and in YAML; what only moved is "moved"."""

from __future__ import annotations

import pytest

from service.domain.documents.parser import parse_rules
from service.domain.preview.diff import describe_changes, diff_rules, yaml_diff
from service.domain.rules.document import RuleSet
from service.locales import translator_for

VIP = "  - {id: vip, name: {vi: Khách VIP, en: VIP}, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}\n"
FAN = "  - {id: fan, tag: Fan, when: {field: orders_count, op: at_least, value: 3}}\n"
NEW = "  - {id: new, tag: Mới, when: {field: orders_count, op: is, value: 1}}\n"


def rules(*some: str, head: str = "") -> RuleSet:
    return parse_rules(f"version: 1\n{head}rules:\n{''.join(some)}")


BEFORE = rules(VIP % 20_000_000, FAN)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (rules(VIP % 10_000_000, FAN), {"vip": "changed"}),
        (rules(VIP % 20_000_000, FAN, NEW), {"new": "added"}),
        (rules(FAN), {"vip": "removed"}),
        (rules(FAN, VIP % 20_000_000), {"fan": "moved"}),
        (rules(NEW, FAN, VIP % 5), {"new": "added", "fan": "moved", "vip": "changed"}),
        (BEFORE, {}),
    ],
    ids=["changed", "added", "removed", "moved", "all at once", "the same"],
)
def test_each_rule_is_said_to_be_new_gone_changed_or_moved(after: RuleSet, expected: dict[str, str]) -> None:
    found = {one.id: one.kind for one in diff_rules(BEFORE, after)}

    if "moved" in expected.values():  # which of two swapped rules moved is a matter of taste
        assert sorted(found.values()) == sorted(expected.values()) or found == expected
    else:
        assert found == expected


def test_a_changed_rule_shows_what_it_said_and_what_it_says() -> None:
    assert describe_changes(BEFORE, rules(VIP % 10_000_000, FAN), translator=translator_for("vi")) == [
        "~ Khách VIP (đã sửa)",
        "  - Tổng chi tiêu từ 20.000.000 ₫ trở lên",
        "  + Tổng chi tiêu từ 10.000.000 ₫ trở lên",
    ]


def test_a_moved_rule_is_one_line_and_nothing_is_said_to_differ_where_nothing_does() -> None:
    assert len(describe_changes(BEFORE, rules(FAN, VIP % 20_000_000), translator=translator_for("en"))) == 1
    assert describe_changes(BEFORE, BEFORE, translator=translator_for("en")) == ["Nothing differs."]


def test_another_zone_or_currency_is_said_first() -> None:
    other = rules(VIP % 20_000_000, FAN, head="timezone: Asia/Tokyo\n")

    assert describe_changes(BEFORE, other, translator=translator_for("vi")) == [
        "Múi giờ và tiền tệ: Asia/Ho_Chi_Minh, VND → Asia/Tokyo, VND"
    ]


def test_as_yaml_the_difference_is_a_unified_one() -> None:
    told = yaml_diff(BEFORE, rules(VIP % 10_000_000, FAN), names=("v1", "v2"))

    assert told.startswith("--- v1\n+++ v2\n")
    assert "-  when: {field: total_spent, op: at_least, value: 20_000_000}" in told
    assert "+  when: {field: total_spent, op: at_least, value: 10_000_000}" in told
