"""Tags that people would take for each other are warned of, with what differs."""

from __future__ import annotations

import pytest

from service.domain.documents.parser import validate_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.preview.spellings import lint_own_spellings, lint_spellings

WHEN = {"field": "orders_count", "op": "at_least", "value": 1}


def rules(*tags: str) -> CompiledRules:
    return compile_rules(
        validate_rules({"rules": [{"id": f"r{n}", "tag": tag, "when": WHEN} for n, tag in enumerate(tags)]})
    )


@pytest.mark.parametrize(
    ("tag", "other", "kind"),
    [
        pytest.param("VIP", "Víp", "own_spelling", id="accents"),
        pytest.param("hòa", "hoà", "own_spelling", id="old and new tone placement"),
        pytest.param("VIP", "VI\u0420", "own_lookalike", id="Cyrillic"),
        pytest.param("VIP", "\uff36\uff29\uff30", "own_lookalike", id="fullwidth"),
        pytest.param("Đại lý", "\u00d0ại lý", "own_lookalike", id="eth for đ"),
        pytest.param("Khách sỉ", "Khách\u00a0sỉ", "own_lookalike", id="no-break space"),
    ],
)
def test_two_tags_of_the_rules_that_look_alike_are_warned_of(tag: str, other: str, kind: str) -> None:
    assert [warning.kind for warning in lint_own_spellings(rules(tag, other))] == [kind]


@pytest.mark.parametrize("other", ["VIP", "VIP 2", "V.I.P", "Khách VIP"])
def test_the_same_tag_and_other_tags_are_not_warned_of(other: str) -> None:
    assert lint_own_spellings(rules("VIP", other)) == ()


def test_a_tag_that_differs_only_by_case_or_accents_from_one_in_use_is_warned_of() -> None:
    counts = {"khach si": 40, "Khách Sỉ": 7, "Khách sỉ": 900, "Fan": 3}

    (warning,) = lint_spellings(rules("Khách sỉ"), counts)

    assert (warning.kind, warning.params["other"], warning.params["count"]) == ("spelling", "khach si", 40)


def test_a_letter_of_another_alphabet_in_the_shop_is_named() -> None:
    (warning,) = lint_spellings(rules("VIP"), {"VI\u0420": 12})

    assert (warning.kind, warning.params["count"]) == ("lookalike", 12)
    assert warning.params["letters"] == "“Р” = U+0420 CYRILLIC CAPITAL LETTER ER"
