"""Errors between the parts of a document: ids, owners of tags, dependency cycles."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.documents.parser import validate_rules
from tests.domain.documents.samples import document, kinds, messages, rule, tagged, tier


@pytest.mark.parametrize(
    ("doc", "message"),
    [
        pytest.param(document(rule("a"), rule("a", "B")), "rule 2 “a”: the id 'a' is used twice", id="same id"),
        pytest.param(
            document(rule("a", "Gold"), tiers=[tier("gold")]),
            "tier 1 “t”: levels › #1: only this tier may set the tag 'gold', but 'a' sets it too",
            id="a tier's tag set by a rule",
        ),
        pytest.param(
            document(tiers=[tier("Gold"), tier("GOLD", tier_id="u")]),
            "tier 2 “u”: levels › #1: only this tier may set the tag 'GOLD', but 't' sets it too",
            id="a tag in two tiers",
        ),
        pytest.param(document(tiers=[tier("Gold", "gold")]), "tier 1 “t”: levels › #2: the tag 'gold' is used on two levels", id="two levels"),
        pytest.param(
            document(rule("a", "A", when=tagged("B")), rule("b", "B", when=tagged("a"))),
            "rule 1 “a”: rules depend on each other in a circle: a → b → a. Each reads a tag that the next one sets",
            id="loop",
        ),
        pytest.param(document(rule("a", "A", when=tagged("A"))), "rule 1 “a”: rules depend on each other in a circle: a → a. Each reads a tag that the next one sets", id="a rule that reads its own tag"),
    ],
)  # fmt: skip
def test_a_document_that_contradicts_itself_is_refused(doc: dict[str, Any], message: str) -> None:
    assert messages(doc) == [message]


def test_inconsistencies_are_reported_together_with_invalid_rules() -> None:
    doc = document(rule("a"), rule("a", "B"), rule("c", when={"field": "x", "op": "is", "value": 1}))

    assert kinds(doc) == ["unknown_field", "duplicate_id"]


def test_a_rule_with_an_error_is_compared_with_the_others_all_the_same() -> None:
    invalid = {"field": "x", "op": "is", "value": 1}
    circle = {"all": [tagged("B"), invalid]}
    doc = document(
        rule("a", "A", when=circle),
        rule("a", "Gold", when=invalid),
        rule("b", "B", when=tagged("a")),
        tiers=[{**tier("Gold"), "downgrade": 1}],
    )

    assert sorted(kinds(doc)) == [
        "bad_downgrade",
        "duplicate_id",
        "loop",
        "two_owners",
        "unknown_field",
        "unknown_field",
    ]


def test_a_tree_with_errors_is_measured_all_the_same() -> None:
    doc = document(rule(when={"any": [{"field": "x", "op": "is"}, *[tagged("B")] * 50]}))

    assert kinds(doc) == ["unknown_field", "too_many"]


def test_a_not_counts_as_a_group_only_inside_another_not() -> None:
    def negated(times: int) -> dict[str, Any]:
        tree: dict[str, Any] = tagged("B")
        for _ in range(times):
            tree = {"not": tree}
        return tree

    assert validate_rules(document(rule(when=negated(5)))).rules
    assert kinds(document(rule(when=negated(6)))) == ["too_deep"]


def test_a_rule_for_customers_without_tags_does_not_depend_on_itself() -> None:
    doc = document(rule("a", "A", when={"field": "tags", "op": "is_empty"}))

    assert validate_rules(doc).rules[0].id == "a"


def test_two_rules_for_customers_without_tags_depend_on_each_other() -> None:
    none = {"field": "tags", "op": "is_empty"}

    assert kinds(document(rule("a", "A", when=none), rule("b", "B", when=none))) == ["loop"]
