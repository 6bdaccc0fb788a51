"""Errors between the parts of a document: ids, owners of tags, dependency cycles."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.documents.parser import validate_rules
from tests.domain.documents.samples import document, kinds, messages, rule, tagged, tier


@pytest.mark.parametrize(
    ("doc", "message"),
    [
        pytest.param(document(rule("a"), rule("a", "B")), "rules.1: the id 'a' is used twice", id="same id"),
        pytest.param(
            document(rule("a", "Gold"), tiers=[tier("gold")]),
            "tiers.0.levels.0: only this tier may set the tag 'gold', but 'a' sets it too",
            id="a tier's tag set by a rule",
        ),
        pytest.param(
            document(tiers=[tier("Gold"), tier("GOLD", tier_id="u")]),
            "tiers.1.levels.0: only this tier may set the tag 'GOLD', but 't' sets it too",
            id="a tag in two tiers",
        ),
        pytest.param(document(tiers=[tier("Gold", "gold")]), "tiers.0.levels.1: the tag 'gold' is used on two levels", id="two levels"),
        pytest.param(
            document(rule("a", "A", when=tagged("B")), rule("b", "B", when=tagged("a"))),
            "rules.0: rules depend on each other in a loop: a -> b -> a",
            id="loop",
        ),
        pytest.param(document(rule("a", "A", when=tagged("A"))), "rules.0: rules depend on each other in a loop: a -> a", id="a rule that reads its own tag"),
    ],
)  # fmt: skip
def test_a_document_that_contradicts_itself_is_refused(doc: dict[str, Any], message: str) -> None:
    assert messages(doc) == [message]


def test_inconsistencies_are_reported_together_with_invalid_rules() -> None:
    doc = document(rule("a"), rule("a", "B"), rule("c", when={"field": "x", "op": "is", "value": 1}))

    assert kinds(doc) == ["unknown_field", "duplicate_id"]


def test_a_rule_for_customers_without_tags_does_not_depend_on_itself() -> None:
    doc = document(rule("a", "A", when={"field": "tags", "op": "is_empty"}))

    assert validate_rules(doc).rules[0].id == "a"


def test_two_rules_for_customers_without_tags_depend_on_each_other() -> None:
    none = {"field": "tags", "op": "is_empty"}

    assert kinds(document(rule("a", "A", when=none), rule("b", "B", when=none))) == ["loop"]
