"""Warnings: what can hardly be meant is said, with its why; what may be meant is not."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer
from service.domain.decisions.state import CustomerState
from service.domain.documents.parser import parse_rules, validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.explain.wording import LANGUAGES
from service.domain.preview.impact import preview
from service.domain.preview.lint import (
    LintWarning,
    describe_warning,
    lint,
    lint_coverage,
    lint_matches,
    lint_spellings,
)
from service.domain.preview.population import Population
from service.locales import catalog_for, translator_for
from tests.reference import strategies

TODAY = date(2026, 11, 20).toordinal()


def rule(when: str, tag: str = "Fan") -> CompiledRules:
    return compile_rules(
        parse_rules(f"version: 1\nrules:\n  - {{id: fan, name: Quen, tag: {tag}, when: {when}}}")
    )


def tier(*thresholds: int) -> CompiledRules:
    levels = "".join(
        f"\n      - {{tag: T{at}, when: {{field: total_spent, op: at_least, value: {one}}}}}"
        for at, one in enumerate(thresholds)
    )
    return compile_rules(parse_rules(f"version: 1\ntiers:\n  - id: hang\n    levels:{levels}"))


@pytest.mark.parametrize(
    ("when", "said"),
    [
        (
            "{all: [{field: orders_count, op: at_least, value: 10}, {field: orders_count, op: less_than, value: 5}]}",
            "Quen: “Số đơn hàng từ 10 trở lên” mâu thuẫn với “Số đơn hàng dưới 5”: không khách nào khớp được.",
        ),
        (
            "{all: [{field: last_order_date, op: is_empty}, {field: last_order_date, op: more_than_ago, value: 90 days}]}",
            "Quen: “Lần mua gần nhất chưa có” mâu thuẫn với “Lần mua gần nhất cách đây hơn 90 ngày”: không khách nào khớp được.",
        ),
        (
            "{all: [{field: orders_count, op: at_least, value: 10}, {field: orders_count, op: at_least, value: 5}]}",
            "Quen: “Số đơn hàng từ 5 trở lên” là thừa: đã có “Số đơn hàng từ 10 trở lên”.",
        ),
        (
            "{any: [{field: province, op: is, value: Huế}, {field: province, op: in, value: [Hà Nội, Huế]}]}",
            "Quen: “Tỉnh/thành là Huế” là thừa: “Tỉnh/thành là một trong: Hà Nội, Huế” đã gồm cả trường hợp này.",
        ),
        (
            "{any: [{field: gender, op: is_empty}, {field: gender, op: is_not_empty}]}",
            "Quen: Điều kiện “Giới tính chưa có HOẶC Giới tính đã có” luôn đúng: khách nào cũng khớp.",
        ),
        (
            "{all: [{field: tags, op: has_all, value: [A, B]}, {field: tags, op: has_none, value: [b]}]}",
            "Quen: “Nhãn có đủ: A, B” mâu thuẫn với “Nhãn không có: b”: không khách nào khớp được.",
        ),
        (
            "{all: [{field: email, op: starts_with, value: an}, {field: email, op: is_empty}]}",
            "Quen: “Email bắt đầu bằng “an”” mâu thuẫn với “Email để trống”: không khách nào khớp được.",
        ),
    ],
    ids=["numbers", "never ordered", "implied", "covered", "always", "tags", "texts"],
)
def test_conditions_that_cannot_be_meant_are_named(when: str, said: str) -> None:
    compiled = rule(when)

    (one,) = lint(compiled, today=TODAY)

    assert describe_warning(one, translator=translator_for("vi"), compiled=compiled) == said


@pytest.mark.parametrize(
    "when",
    [
        "{all: [{field: orders_count, op: at_least, value: 5}, {field: orders_count, op: less_than, value: 10}]}",
        "{any: [{field: last_order_date, op: is_empty}, {field: last_order_date, op: more_than_ago, value: 90 days}]}",
        "{all: [{field: created_at, op: after, value: 2027-01-01}, {field: created_at, op: more_than_ago, value: 30 days}]}",
        "{all: [{field: email, op: starts_with, value: an}, {field: email, op: ends_with, value: '@example.com'}]}",
        "{field: birthday, op: this_month}",
    ],
    ids=["a span", "or never", "true only later", "two ends of a text", "a birthday"],
)
def test_what_may_be_meant_is_not_warned_of(when: str) -> None:
    assert lint(rule(when), today=TODAY) == ()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_what_is_said_of_conditions_is_so_for_every_customer(data: st.DataObject) -> None:
    doc = {"version": 1, "rules": [{"id": "r", "tag": "Z", "when": data.draw(strategies.trees(("X", "y")))}]}
    compiled, today = compile_rules(validate_rules(doc)), data.draw(strategies.DAYS).toordinal()
    facts = compiled.build_facts(data.draw(strategies.customers("Asia/Ho_Chi_Minh")), today)

    for one in lint(compiled, today=today):
        answers = [part.matches(facts) for part in one.expressions]
        refuted = {
            "never": all(answers),
            "always": not answers[0],
            "implied": answers[-1] and not answers[0],
            "covered": answers[0] and not answers[-1],
        }
        assert not refuted[one.kind], one


def test_a_level_below_an_easier_one_can_never_win() -> None:
    compiled = tier(50_000_000, 10_000_000, 20_000_000)

    (one,) = lint(compiled, today=TODAY)

    assert (one.kind, one.tag) == ("level_never_wins", "T2")
    assert lint(tier(50, 20, 10), today=TODAY) == ()


def kinds(found: tuple[LintWarning, ...]) -> list[str]:
    return [one.kind for one in found]


@pytest.mark.parametrize(
    ("spent", "kind"),
    [([1, 2, 3], "matches_nobody"), ([10, 11, 12], "matches_everybody"), ([1, 11, 12], "matches_many")],
    ids=["nobody", "everybody", "more than half"],
)
def test_a_rule_that_matches_nobody_everybody_or_most_is_warned_of(spent: list[int], kind: str) -> None:
    compiled = rule("{field: total_spent, op: at_least, value: 10}")
    people = Population.of(
        [(Customer(id=at + 1, total_spent=one * 10_000), CustomerState()) for at, one in enumerate(spent)],
        today=TODAY,
        now_ms=0,
    )

    assert kinds(lint_matches(compiled, preview(people, compiled))) == [kind]


@pytest.mark.parametrize(
    ("customers", "said"),
    [
        (None, "uncounted"),
        (10, "unseen"),
        (7, ""),
        (6, ""),
    ],
    ids=["nobody counted", "some are unseen", "all are seen", "some are new"],
)
def test_customers_of_whom_nothing_is_known_are_warned_of(customers: int | None, said: str) -> None:
    found = lint_coverage(seen=7, customers=customers, org="1000")

    assert kinds(found) == [said] * bool(said)
    compiled = rule("{field: orders_count, op: at_least, value: 1}")
    told = [describe_warning(one, translator=translator_for("vi"), compiled=compiled) for one in found]
    assert all(one.endswith("tagger backfill 1000") for one in told)
    if said == "unseen":
        assert told[0].startswith("Chưa thấy 3 trong 10 khách của cửa hàng")


def test_a_tag_that_others_put_on_too_is_warned_of() -> None:
    compiled = rule("{field: total_spent, op: at_least, value: 10}")
    some = [
        Customer(id=1, total_spent=1_0000, tags=("Fan",)),
        Customer(id=2, total_spent=1_0000),
        Customer(id=3, total_spent=10_0000),
    ]
    people = Population.of([(one, CustomerState()) for one in some], today=TODAY, now_ms=0)

    assert kinds(lint_matches(compiled, preview(people, compiled))) == ["others_too"]


def test_a_tag_that_differs_only_by_case_or_accents_from_one_in_use_is_warned_of() -> None:
    compiled = rule("{field: total_spent, op: at_least, value: 10}", tag="Khách sỉ")

    (one,) = lint_spellings(compiled, {"khach si": 40, "Khách Sỉ": 7, "Khách sỉ": 900, "Fan": 3})

    assert (one.kind, one.params["other"], one.params["count"]) == ("spelling", "khach si", 40)


def test_two_tags_of_the_rules_that_look_alike_are_warned_of() -> None:
    two = """
version: 1
rules:
  - {id: a, tag: VIP, when: {field: orders_count, op: at_least, value: 1}}
  - {id: b, tag: Víp, when: {field: orders_count, op: at_least, value: 2}}
"""
    assert kinds(lint(compile_rules(parse_rules(two)), today=TODAY)) == ["own_spelling"]


def test_every_kind_of_warning_has_its_sentence() -> None:
    said = {str(message.id) for message in catalog_for("vi") if str(message.id).startswith("warning.")}
    compiled = rule("{field: orders_count, op: at_least, value: 1}")
    part = compiled.rules[0].when
    gaps: dict[str, str | int] = {"count": 1, "share": 2, "all": 3, "other": "x", "org": "1"}

    for key in said - {"warning.never.alone"}:
        one = LintWarning(key.removeprefix("warning."), "fan", "Fan", (part, part), gaps)
        assert all(
            describe_warning(one, translator=translator_for(each), compiled=compiled) for each in LANGUAGES
        )
