"""Rule sets as YAML and canonical JSON, and the id of their content."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.documents.parser import parse_entry, parse_rules, validate_rules
from service.domain.documents.writer import canonical_json, content_id, draft_to_yaml, entry_to_yaml, to_yaml
from tests.reference import strategies

SAMPLE = (Path(__file__).parents[2] / "payloads/rules/sample.yaml").read_text()
AWKWARD = st.sampled_from(
    ["yes", "null", "~", "1_000", "0900000001", "1e5", "1.50", "true", "- x", "a: b", "#no", "'", '"', "🎂", "Hồ Chí Minh", "é", "\x85x", "\u2028", "*a", "&a", "!x", "{x", "[x", "? x", "|", ">", "%", "@x", "a\nb", "a #b", "-", "=", "<<", "---", "\ufeffx", " x ", "\tx", "\x07", "\u200b"]
)  # fmt: skip
TEXTS = st.one_of(AWKWARD, st.text(st.characters(codec="utf-8"), min_size=1, max_size=12))


def with_texts(doc: dict[str, Any], note: str, tag: str, word: str) -> dict[str, Any]:
    """A document with awkward texts where texts may stand."""
    extra = {
        "id": "awkward",
        "tag": tag.replace(",", "") if tag.replace(",", "").strip() else "x",
        "note": note,
        "name": {"vi": note, "en": word},
        "when": {"field": "note", "op": "contains", "value": word if word.strip() else "x"},
    }
    return {**doc, "rules": [*doc["rules"], extra]}


@given(doc=strategies.documents(), note=TEXTS, tag=TEXTS, word=TEXTS)
@settings(max_examples=40, deadline=None)
def test_a_rule_set_written_as_yaml_or_json_parses_to_an_equal_rule_set(
    doc: dict[str, Any], note: str, tag: str, word: str
) -> None:
    if strategies.publishable(with_texts(doc, note, tag, word)) is None:
        return  # the awkward tag belongs to a tier, or the word folds to nothing

    rule_set = validate_rules(with_texts(doc, note, tag, word))

    assert parse_rules(to_yaml(rule_set)) == rule_set
    assert parse_rules(canonical_json(rule_set).decode()) == rule_set


def test_values_are_written_as_they_were_authored() -> None:
    doc = {
        "version": 1,
        "currency": "USD",
        "rules": [
            {"id": "a", "tag": "A", "keep": "3 tháng", "when": {"field": "total_spent", "op": "is", "value": Decimal("41.90")}},
            {"id": "b", "tag": "B", "when": {"field": "created_at", "op": "within_last", "value": "90 NGÀY"}},
        ],
    }  # fmt: skip

    text = to_yaml(validate_rules(doc))

    assert "41.90" in text
    assert "3 tháng" in text
    assert "90 NGÀY" in text


def test_yaml_for_people_keeps_a_condition_on_one_line_and_groups_digits() -> None:
    text = to_yaml(parse_rules(SAMPLE))

    assert "when: {field: total_spent, op: at_least, value: 10_000_000}" in text
    assert "value: 2026-07-01" in text


def test_the_same_content_has_the_same_id_however_it_was_written() -> None:
    rule_set = parse_rules(SAMPLE)

    assert content_id(parse_rules(to_yaml(rule_set))) == content_id(rule_set)
    assert content_id(parse_rules(SAMPLE.replace("currency: VND", "currency: USD"))) != content_id(rule_set)


@pytest.mark.parametrize(
    "explicit", [{"enabled": True}, {"keep": "while_matching"}, {"owns": "added"}, {"note": None}]
)
def test_a_default_written_out_is_the_same_content(explicit: dict[str, Any]) -> None:
    rule = {"id": "a", "tag": "A", "when": {"field": "orders_count", "op": "is", "value": 1}}

    assert content_id(validate_rules({"rules": [{**rule, **explicit}]})) == content_id(
        validate_rules({"rules": [rule]})
    )


@given(strategies.documents())
def test_a_rule_of_a_draft_is_the_same_after_its_yaml(doc: dict[str, Any]) -> None:
    rule_set = strategies.publishable(doc)
    if rule_set is None:
        return
    draft = json.loads(canonical_json(rule_set))

    for kind in ("rules", "tiers"):
        for index, entry in enumerate(draft[kind]):
            parsed = parse_entry(entry_to_yaml(entry, kind), draft, kind, index)
            assert parsed == getattr(rule_set, kind)[index]


def test_a_draft_is_written_without_defaults_and_as_it_was_typed() -> None:
    when = {"field": "total_spent", "op": "at_least", "value": "mười triệu"}
    entry = {"when": when, "tag": "VIP", "id": "vip", "enabled": True, "keep": "forever", "owns": "added"}

    assert draft_to_yaml({"currency": "VND", "rules": [entry], "tiers": []}) == (
        "currency: VND\nrules:\n- id: vip\n  tag: VIP\n  keep: forever\n"
        "  when: {field: total_spent, op: at_least, value: mười triệu}\n"
    )
