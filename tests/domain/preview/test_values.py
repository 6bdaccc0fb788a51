"""Values that no customer has are warned of, with the one that is probably meant; values are counted by field."""

from __future__ import annotations

import unicodedata
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest

from service.domain.customers import Customer
from service.domain.documents.parser import validate_rules
from service.domain.engine.compiler import compile_rules
from service.domain.engine.facts import build_facts
from service.domain.preview.lint import LintWarning, describe_warning
from service.domain.preview.values import (
    FieldValues,
    KnownValues,
    closest_value,
    count_values,
    field_values,
    lint_values,
)
from service.domain.rules import FIELDS, calendar_for
from service.locales import translator_for

PROVINCES = {"Hồ Chí Minh": 1_920, "Hà Nội": 700, "TP. Hồ Chí Minh": 30, "Bà Rịa - Vũng Tàu": 12, "Huế": 5}
CUSTOMERS = [
    *(
        Customer(id=n, province=name, province_code="HC" if "Hồ" in name else None)
        for n, name in enumerate(PROVINCES, 1)
    ),
    Customer(id=10, state="enabled", group="Khách sỉ", tags=("VIP", "Khách sỉ")),
    Customer(id=11, state="disabled"),
    Customer(id=12, province="Hồ Chí Minh"),
]


def warnings(condition: dict[str, Any]) -> list[LintWarning]:
    rule_set = validate_rules({"rules": [{"id": "a", "tag": "Ưu đãi", "when": condition}]})
    return [*lint_values(compile_rules(rule_set), count_values(rule_set, CUSTOMERS), org="1000")]


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("tp ho chi minh", "Hồ Chí Minh"),
        ("Thành phố Hồ Chí Minh", "Hồ Chí Minh"),
        ("Ho Chi Minh City", "Hồ Chí Minh"),
        ("HCM", "Hồ Chí Minh"),
        ("TPHCM", "Hồ Chí Minh"),
        ("Hanoi", "Hà Nội"),
        ("Bà Rịa–Vũng Tàu", "Bà Rịa - Vũng Tàu"),
        ("Tỉnh Huế", "Huế"),
        ("Đà Lạt", ""),
    ],
)
def test_a_value_is_found_whatever_its_accents_prefix_and_initials(value: str, meant: str) -> None:
    assert closest_value(value, PROVINCES) == meant


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"field": "province", "op": "in", "value": ["Tp Hồ Chí Min", "Hà Nội"]}, [("value_unknown.similar", "Hồ Chí Minh")]),
        ({"field": "province", "op": "is_not", "value": "Đà Lạt"}, [("value_unknown", None)]),
        ({"field": "province", "op": "is", "value": "hc"}, []),
        ({"field": "province", "op": "is", "value": "HÀ NỘI"}, []),
        ({"field": "state", "op": "is", "value": "enable"}, [("value_unknown.similar", "enabled")]),
        ({"field": "state", "op": "is", "value": "Enabled"}, []),
        ({"field": "gender", "op": "is", "value": "female"}, []),
        ({"field": "tags", "op": "has_any", "value": ["khach si"]}, [("tag_unknown.similar", "Khách sỉ")]),
        ({"field": "tags", "op": "has_none", "value": ["blacklist", "vip"]}, []),
        ({"field": "province", "op": "is", "value": "Hồ Chí Minh"}, [("value_variant", "TP. Hồ Chí Minh")]),
        ({"field": "province", "op": "in", "value": ["Hồ Chí Minh", "TP. Hồ Chí Minh"]}, []),
    ],
)  # fmt: skip
def test_a_value_that_no_customer_has_is_warned_of(
    condition: dict[str, Any], found: list[tuple[str, str | None]]
) -> None:
    assert [(warning.kind, warning.params.get("other")) for warning in warnings(condition)] == found


def test_the_warning_names_the_field_the_value_and_how_many_customers_have_the_other() -> None:
    rule_set = validate_rules(
        {"rules": [{"id": "a", "tag": "A", "when": {"field": "province", "op": "is", "value": "TP.HCM"}}]}
    )
    compiled = compile_rules(rule_set)

    (warning,) = lint_values(compiled, {"province": PROVINCES, "province_code": {}, "tags": {}}, org="1000")

    described = {
        language: describe_warning(warning, translator=translator_for(language), compiled=compiled)
        for language in ("vi", "en")
    }
    assert described == {
        "vi": "a: Tỉnh/Thành phố: chưa khách hàng nào có “TP.HCM”. Có phải ý bạn là “Hồ Chí Minh” (1.920)?",
        "en": "a: Province: no customer has “TP.HCM”. Did you mean “Hồ Chí Minh” (1,920)?",
    }


def counted(field: str, *customers: Customer) -> FieldValues:
    calendar, today = calendar_for("Asia/Ho_Chi_Minh"), date(2026, 11, 28).toordinal()
    return field_values(
        FIELDS[field], customers, lambda customer: build_facts(customer, today, calendar=calendar)
    )


def test_choices_and_tags_are_counted_as_they_are_spelled() -> None:
    assert dict(counted("province", *CUSTOMERS).counts) == {**dict.fromkeys(PROVINCES, 1), "Hồ Chí Minh": 2}
    assert counted("province", *CUSTOMERS).empty == 2
    assert counted("tags", *CUSTOMERS).counts == {"VIP": 1, "Khách sỉ": 1}


def test_amounts_numbers_and_dates_are_shown_by_quartiles() -> None:
    spent = counted(
        "total_spent", *(Customer(id=n + 1, total_spent=n * 10_000) for n in range(9)), Customer(id=99)
    )

    assert (spent.quartiles, spent.empty, spent.counts) == ((0, 20_000, 40_000, 60_000, 80_000), 1, {})


def test_a_birthday_counts_by_its_month_and_a_personal_text_is_never_shown() -> None:
    born_ms = int(datetime(1990, 5, 31, 17, tzinfo=UTC).timestamp() * 1000)  # 1 June in Việt Nam
    person = Customer(id=1, birthday_ms=born_ms, email="an@example.com")

    assert counted("birthday", person).counts == {6: 1}
    assert counted("email", person, Customer(id=2)) == FieldValues("email", 2, 1, {True: 1})


KNOWN = KnownValues.of(
    Counter({**PROVINCES, "hồ chí minh": 3, "Thanh Hoá": 9, "Thanh Hóa": 40, "Hà Nam": 2, "Bình Thuận": 1})
)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("Hồ Chí Minh", ("TP. Hồ Chí Minh",)),
        ("HỒ CHÍ MINH", ("TP. Hồ Chí Minh",)),
        (unicodedata.normalize("NFD", "Hồ Chí Minh"), ("TP. Hồ Chí Minh",)),
        ("Thanh Hóa", ("Thanh Hoá",)),
        ("Huế", ()),
        ("ho chi minh", ("Hồ Chí Minh", "TP. Hồ Chí Minh")),
        ("ha n", ("Hà Nội", "Hà Nam")),
        ("thuan", ("Bình Thuận",)),
        ("hcm", ("Hồ Chí Minh", "TP. Hồ Chí Minh")),
        ("Hà Nộii", ("Hà Nội",)),
        ("Paris", ()),
        ("", ()),
    ],
)
def test_near_spellings_are_those_that_customers_have(text: str, near: tuple[str, ...]) -> None:
    assert KNOWN.near(text) == near


def test_values_that_the_condition_has_already_are_not_offered() -> None:
    assert KNOWN.near("Hồ Chí Minh", listed=["Hồ Chí Minh", "tp. hồ chí minh"]) == ()
    assert KNOWN.count("hồ chí minh") == 1_923
