"""Parsing of whole documents: all errors at once, JSON, limits, random input."""

from __future__ import annotations

import contextlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.documents.errors import InvalidRules
from service.domain.documents.parser import parse_entry, parse_rules, validate_rules
from service.domain.rules.document import RuleSet
from service.errors import MalformedData
from service.locales import translator_for
from tests.domain.documents.samples import document, kinds, problems, rule, tagged, texts, tier

SAMPLE = (Path(__file__).parents[2] / "payloads/rules/sample.yaml").read_text()

MANY_MISTAKES = """\
version: 1
rules:
  - id: a
    tag: A
    when: {field: total_spend, op: at_least, value: 10}
  - id: b
    tag: B
    when: {field: total_spent, op: atleast, value: 10}
  - id: c
    tag: C
    when: {field: total_spent, op: at_least, value: 10.000.000}
  - id: d
    tag: D
    when: {field: last_order_date, op: more_than_ago, value: 90 nay}
  - id: e
    tag: E
    when: {field: accepts_marketing, op: is, value: yes}
  - id: f
    tag: F
    wen: {field: orders_count, op: at_least, value: 1}
  - id: g
    name: Khách quen
    tag: G
    when:
      all:
        - field: orders_count
          op: at_least
          value: "3"
        - any: []
"""

MESSAGES = [
    "line 5, column 19: rule 1 “a”: unknown field 'total_spend'; did you mean 'total_spent'?",
    "line 8, column 36: rule 2 “b”: the operator 'atleast' cannot be used with 'total_spent' (an amount of money); use one of: at_least, more_than, at_most, less_than, between, is, is_not, is_empty, is_not_empty; did you mean 'at_least'?",
    "line 11, column 53: rule 3 “c”: write the amount as a number: 10000000 (got the text '10.000.000')",
    "line 14, column 62: rule 4 “d”: expected a duration such as '90 days', '3 months' or '90 ngày', got '90 nay'",
    "line 17, column 53: rule 5 “e”: expected true or false",
    "line 18, column 5: rule 6 “f”: 'when' is missing",
    "line 20, column 5: rule 6 “f”: unknown key 'wen'; did you mean 'when'?",
    "line 28, column 18: rule 7 “Khách quen”: expected a whole number, got '3'",
    "line 29, column 16: rule 7 “Khách quen”: 'any' is empty: it needs at least one entry",
]
IN_VIETNAMESE = [
    "dòng 5, cột 19: quy tắc 1 “a”: không có trường 'total_spend'; có phải ý bạn là 'total_spent'?",
    "dòng 14, cột 62: quy tắc 4 “d”: cần một khoảng thời gian, ví dụ '90 ngày', '3 tháng' hoặc '90 days'; đang là '90 nay'",
]


def test_the_sample_document_is_parsed_completely() -> None:
    rule_set = parse_rules(SAMPLE)

    assert [rule.id for rule in rule_set.rules] == [
        "vip",
        "ngu-dong",
        "sinh-nhat",
        "hcm",
        "loyal-subscriber",
        "founding",
    ]
    assert [level.tag for level in rule_set.tiers[0].levels] == ["Platinum", "Gold", "Silver"]
    assert rule_set.rules[1].display_name("en") == "No order for 90 days"


def test_all_errors_are_reported_at_once_with_positions_and_suggestions() -> None:
    assert texts(MANY_MISTAKES) == MESSAGES


def test_errors_are_in_the_language_of_the_reader() -> None:
    assert set(IN_VIETNAMESE) <= set(texts(MANY_MISTAKES, "vi"))


def test_the_exception_is_malformed_data_with_one_error_per_line_for_logs() -> None:
    with pytest.raises(MalformedData) as caught:
        parse_rules(MANY_MISTAKES)

    assert len(str(caught.value).splitlines()) == len(MESSAGES)
    assert str(caught.value).startswith("5:19 rules.0.when unknown_field(")


def test_the_number_of_a_rule_counts_from_one_for_people_and_from_zero_for_programs() -> None:
    error = problems(MANY_MISTAKES)[0]

    assert "rule 1" in error.text(translator_for("en"))
    assert error.to_dict(translator_for("en"))["path"] == "rules.0.when"


def test_an_error_names_the_wrong_part_so_that_a_form_can_show_it_there() -> None:
    errors = problems(MANY_MISTAKES)

    assert [(error.kind, error.part) for error in errors[:4]] == [
        ("unknown_field", "field"),
        ("bad_op", "op"),
        ("bad_value", "value"),
        ("bad_value", "value"),
    ]


def test_errors_in_json_have_lines() -> None:
    text = json.dumps(document(rule(keep="forever!")), indent=1)

    assert [(error.line, error.kind) for error in problems(text)] == [(12, "bad_keep")]


def test_json_with_escaped_surrogate_pairs_is_parsed() -> None:
    rule_set = parse_rules(json.dumps(document(rule(tag="🎂 VIP"))))

    assert rule_set.rules[0].tag == "🎂 VIP"


def test_json_with_a_number_that_decimal_cannot_hold_is_refused() -> None:
    text = json.dumps(document(rule())).replace('"when": ', '"odd": 1e99999999999999999999, "when": ')

    with pytest.raises(InvalidRules, match="unknown_key\\(name=odd"):
        parse_rules(text)


def test_json_with_a_duplicate_key_is_refused() -> None:
    assert problems('{"version": 1, "version": 1}')[0].kind == "duplicate_key"


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"field": "orders_count", "op": "at_least", "value": 1}
    for _ in range(depth):
        tree = {"all": [tree]}
    return tree


LEAF = nested(0)


@pytest.mark.parametrize(
    ("allowed", "refused", "kind"),
    [
        pytest.param(document(*(rule(f"r{n}") for n in range(200))), document(*(rule(f"r{n}") for n in range(201))), "too_many", id="rules"),
        pytest.param(document(tiers=[tier(f"T{n}", tier_id=f"t{n}") for n in range(20)]), document(tiers=[tier(f"T{n}", tier_id=f"t{n}") for n in range(21)]), "too_many", id="tiers"),
        pytest.param(document(rule(when={"any": [LEAF] * 50})), document(rule(when={"any": [LEAF] * 51})), "too_many", id="conditions"),
        pytest.param(document(rule(when=nested(4))), document(rule(when=nested(5))), "too_deep", id="depth"),
        pytest.param(document(rule(tag="x" * 200)), document(rule(tag="x" * 201)), "too_long", id="text"),
        pytest.param(document(rule(when=tagged(*map(str, range(200))))), document(rule(when=tagged(*map(str, range(201))))), "too_many", id="list"),
    ],
)  # fmt: skip
def test_a_document_at_a_limit_is_valid_and_beyond_it_is_refused(
    allowed: dict[str, Any], refused: dict[str, Any], kind: str
) -> None:
    assert isinstance(validate_rules(allowed), RuleSet)
    assert kinds(refused) == [kind]


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_bytes_neither_crash_nor_hang(noise: bytes) -> None:
    with suppress(InvalidRules):  # `{}` is a document without rules
        assert isinstance(parse_rules(noise.decode(errors="replace")), RuleSet)


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=2)),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(st.sampled_from(["rules", "tiers", "id", "tag", "when", "all", "not", "field", "op", "value", "keep", "levels", "name"]), below, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip


@given(PLAIN)
@settings(max_examples=100, deadline=None)
def test_random_data_is_valid_or_refused(data: object) -> None:
    with contextlib.suppress(InvalidRules):
        assert isinstance(validate_rules({"rules": [data], "version": 1}), RuleSet)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("{any: []},", id="empty groups"),
        pytest.param("{field: total_spend, op: x},", id="unknown fields"),
        pytest.param("{a: b},", id="unknown keys"),
        pytest.param("[],", id="no conditions"),
    ],
)
def test_a_document_full_of_mistakes_reports_the_first_hundred(part: str) -> None:
    text = f"rules: [{{id: a, tag: A, when: {{all: [{part * (200_000 // len(part))}]}}}}]"

    assert len(problems(text)) == 100


DRAFT = {
    "currency": "VND",
    "rules": [
        {"id": "a", "tag": "A", "when": {"field": "orders_count", "op": "at_least", "value": 1}},
        {"id": "wrong", "tag": "W", "when": {"field": "nothing", "op": "at_least", "value": 1}},
    ],
    "tiers": [
        {"id": "t", "levels": [{"tag": "Gold", "when": {"field": "orders_count", "op": "is", "value": 9}}]}
    ],
}
WHEN = "when: {field: orders_count, op: at_least, value: 2}"


def test_one_rule_is_parsed_whatever_is_wrong_with_others() -> None:
    rule = parse_entry(f"id: a\ntag: B\n{WHEN}\n", DRAFT, "rules", 0)

    assert (rule.id, rule.tags) == ("a", ("B",))


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("", [(1, 1, "empty")]),
        ("tag: [", [(2, 1, "syntax")]),
        ("- a", [(1, 1, "bad_value")]),
        (f"id: b\ntag: A\n{WHEN}", [(1, 5, "fixed_id")]),
        (f"id: a\ncolour: red\ntag: A\n{WHEN}", [(2, 1, "unknown_key")]),
        (f"id: a\ntag: A\n{WHEN.replace('orders_count', 'orders')}", [(3, 15, "unknown_field")]),
        ("id: a\ntag: A", [(1, 1, "missing")]),
    ],
)
def test_errors_of_one_rule_have_their_place_in_its_text(
    text: str, errors: list[tuple[int, int, str]]
) -> None:
    with pytest.raises(InvalidRules) as caught:
        parse_entry(text, DRAFT, "rules", 0)

    assert [(each.line, each.column, each.kind) for each in caught.value.problems] == errors
    assert all(each.path[:2] == ("rules", 0) for each in caught.value.problems)


def test_a_tier_may_not_take_the_tag_of_a_rule() -> None:
    level = "{tag: A, when: {field: orders_count, op: is, value: 9}}"

    with pytest.raises(InvalidRules) as caught:
        parse_entry(f"id: t\nlevels:\n  - {level}\n", DRAFT, "tiers", 0)

    [problem] = caught.value.problems
    assert (problem.line, problem.column, problem.kind) == (3, 11, "two_owners")
