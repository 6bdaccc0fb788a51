"""Conditions that can hardly be intended are warned of, with the reason; plausible ones are not."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.customers.customer import Customer, MissingField, MissingReason
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
    lint_missing,
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
        f"\n      - {{tag: T{index}, when: {{field: total_spent, op: at_least, value: {threshold}}}}}"
        for index, threshold in enumerate(thresholds)
    )
    return compile_rules(parse_rules(f"version: 1\ntiers:\n  - id: hang\n    levels:{levels}"))


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (
            "{all: [{field: orders_count, op: at_least, value: 10}, {field: orders_count, op: less_than, value: 5}]}",
            "Quen: “Số đơn hàng từ 10 trở lên” mâu thuẫn với “Số đơn hàng dưới 5”: không khách hàng nào thỏa cả hai.",
        ),
        (
            "{all: [{field: last_order_date, op: is_empty}, {field: last_order_date, op: more_than_ago, value: 90 days}]}",
            "Quen: “Lần mua gần nhất: chưa có” mâu thuẫn với “Lần mua gần nhất cách đây hơn 90 ngày”: không khách hàng nào thỏa cả hai.",
        ),
        (
            "{all: [{field: orders_count, op: at_least, value: 10}, {field: orders_count, op: at_least, value: 5}]}",
            "Quen: “Số đơn hàng từ 5 trở lên” là thừa: đã có “Số đơn hàng từ 10 trở lên”.",
        ),
        (
            "{any: [{field: province, op: is, value: Huế}, {field: province, op: in, value: [Hà Nội, Huế]}]}",
            "Quen: “Tỉnh/Thành phố là Huế” là thừa: “Tỉnh/Thành phố là một trong: Hà Nội, Huế” đã bao gồm trường hợp này.",
        ),
        (
            "{any: [{field: gender, op: is_empty}, {field: gender, op: is_not_empty}]}",
            "Quen: “Giới tính: chưa có HOẶC Giới tính: đã có” luôn đúng: khách hàng nào cũng thỏa điều kiện.",
        ),
        (
            "{all: [{field: tags, op: has_all, value: [A, B]}, {field: tags, op: has_none, value: [b]}]}",
            "Quen: “Có đủ các nhãn: A, B” mâu thuẫn với “Chưa có nhãn b”: không khách hàng nào thỏa cả hai.",
        ),
        (
            "{all: [{field: email, op: starts_with, value: an}, {field: email, op: is_empty}]}",
            "Quen: “Email bắt đầu bằng “an”” mâu thuẫn với “Email để trống”: không khách hàng nào thỏa cả hai.",
        ),
    ],
    ids=["numbers", "never ordered", "implied", "covered", "always", "tags", "texts"],
)
def test_conditions_that_cannot_be_intended_are_named(when: str, text: str) -> None:
    compiled = rule(when)

    (warning,) = lint(compiled, today=TODAY)

    assert describe_warning(warning, translator=translator_for("vi"), compiled=compiled) == text


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
def test_plausible_conditions_are_not_warned_of(when: str) -> None:
    assert lint(rule(when), today=TODAY) == ()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_warning_about_conditions_holds_for_every_customer(data: st.DataObject) -> None:
    doc = {"version": 1, "rules": [{"id": "r", "tag": "Z", "when": data.draw(strategies.trees(("X", "y")))}]}
    compiled, today = compile_rules(validate_rules(doc)), data.draw(strategies.DAYS).toordinal()
    facts = compiled.build_facts(data.draw(strategies.customers("Asia/Ho_Chi_Minh")), today)

    for warning in lint(compiled, today=today):
        answers = [part.matches(facts) for part in warning.expressions]
        refuted = {
            "never": all(answers),
            "always": not answers[0],
            "implied": answers[-1] and not answers[0],
            "covered": answers[0] and not answers[-1],
        }
        assert not refuted[warning.kind], warning


def test_a_level_below_an_easier_one_is_unreachable() -> None:
    compiled = tier(50_000_000, 10_000_000, 20_000_000)

    (warning,) = lint(compiled, today=TODAY)

    assert (warning.kind, warning.tag) == ("level_never_wins", "T2")
    assert lint(tier(50, 20, 10), today=TODAY) == ()


def kinds(warnings: tuple[LintWarning, ...]) -> list[str]:
    return [warning.kind for warning in warnings]


@pytest.mark.parametrize(
    ("spent", "kind"),
    [([1, 2, 3], "matches_nobody"), ([10, 11, 12], "matches_everybody"), ([1, 11, 12], "matches_many")],
    ids=["nobody", "everybody", "more than half"],
)
def test_a_rule_that_matches_nobody_everybody_or_most_is_warned_of(spent: list[int], kind: str) -> None:
    compiled = rule("{field: total_spent, op: at_least, value: 10}")
    population = Population.of(
        [
            (Customer(id=index + 1, total_spent=amount * 10_000), CustomerState())
            for index, amount in enumerate(spent)
        ],
        today=TODAY,
        now_ms=0,
    )

    assert kinds(lint_matches(compiled, preview(population, compiled))) == [kind]


@pytest.mark.parametrize(
    ("customers", "kind"),
    [
        (None, "uncounted"),
        (10, "unseen"),
        (7, ""),
        (6, ""),
    ],
    ids=["never counted", "some are unseen", "all are seen", "some are new"],
)
def test_customers_without_a_snapshot_are_warned_of(customers: int | None, kind: str) -> None:
    warnings = lint_coverage(known=7, customers=customers, org="1000")

    assert kinds(warnings) == [kind] * bool(kind)
    compiled = rule("{field: orders_count, op: at_least, value: 1}")
    texts = [
        describe_warning(warning, translator=translator_for("vi"), compiled=compiled) for warning in warnings
    ]
    assert all(text.endswith("tagger backfill 1000") for text in texts)
    if kind == "unseen":
        assert texts[0].startswith("3 trong 10 khách hàng của cửa hàng chưa được quét")


def test_a_tag_that_others_added_too_is_warned_of() -> None:
    compiled = rule("{field: total_spent, op: at_least, value: 10}")
    customers = [
        Customer(id=1, total_spent=1_0000, tags=("Fan",)),
        Customer(id=2, total_spent=1_0000),
        Customer(id=3, total_spent=10_0000),
    ]
    population = Population.of([(customer, CustomerState()) for customer in customers], today=TODAY, now_ms=0)

    assert kinds(lint_matches(compiled, preview(population, compiled))) == ["others_too"]


def test_every_kind_of_warning_has_its_text() -> None:
    keys = {str(message.id) for message in catalog_for("vi") if str(message.id).startswith("warning.")}
    compiled = rule("{field: orders_count, op: at_least, value: 1}")
    part = compiled.rules[0].when
    params: dict[str, str | int] = {
        "count": 1,
        "share": 2,
        "all": 3,
        "other": "x",
        "org": "1",
        "quoted": "Fan",
        "field": "province",
    }
    params |= {"name": "province", "value": "x", "letters": "x"}

    for key in keys - {"warning.never.alone"}:
        warning = LintWarning(key.removeprefix("warning."), "fan", "Fan", (part, part), params)
        assert all(
            describe_warning(warning, translator=translator_for(language), compiled=compiled)
            for language in LANGUAGES
        )


NO_BIRTHDAY = (MissingField("birthday", MissingReason.ABSENT),)


@pytest.mark.parametrize(
    ("missing", "kind", "text"),
    [
        (
            (NO_BIRTHDAY, NO_BIRTHDAY),
            "field_never_seen",
            "Không có khách hàng nào (2) có dữ liệu “Sinh nhật”",
        ),
        ((NO_BIRTHDAY, ()), "field_missing", "1 trong 2 khách hàng không có dữ liệu “Sinh nhật”"),
    ],
)
def test_a_field_that_a_rule_reads_and_records_lack_is_named(
    missing: tuple[tuple[MissingField, ...], ...], kind: str, text: str
) -> None:
    compiled = rule("{any: [{field: birthday, op: today}, {field: age, op: at_least, value: 60}]}")
    customers = [Customer(id=index + 1, missing=lacking) for index, lacking in enumerate(missing)]

    warnings = lint_missing(compiled, customers)

    assert [(warning.kind, warning.params["field"]) for warning in warnings] == [
        (kind, "birthday"),
        (kind, "age"),
    ]
    assert text in describe_warning(warnings[0], translator=translator_for("vi"), compiled=compiled)
    assert describe_warning(warnings[0], translator=translator_for("en"), compiled=compiled)


def test_a_field_that_no_live_rule_reads_may_be_missing() -> None:
    assert (
        lint_missing(rule("{field: orders_count, op: is, value: 1}"), [Customer(id=1, missing=NO_BIRTHDAY)])
        == ()
    )


def test_a_rule_that_decides_nothing_is_not_said_to_match_nobody() -> None:
    compiled = rule("{field: birthday, op: today}")
    known = [(Customer(id=1, missing=NO_BIRTHDAY), CustomerState())]
    population = Population.of(known, today=TODAY, now_ms=0)

    assert kinds(lint_matches(compiled, preview(population, compiled))) == []
