"""What a version inherits, and its stored bytes. Roll-backs are tested with the decisions."""

from __future__ import annotations

from typing import Any

from service.domain.documents.parser import validate_rules
from service.domain.rules.document import RuleSet
from service.domain.rules.inheritance import (
    NO_INHERITANCE,
    Inheritance,
    decode_inheritance,
    encode_inheritance,
    inherit,
    inherit_rollback,
)


def rule_set(**tags: str) -> RuleSet:
    """Rules with these ids and tags, which remove their tags when they are gone."""
    when = {"field": "orders_count", "op": "at_least", "value": 1}
    rules: list[dict[str, Any]] = [
        {"id": rule_id, "tag": tag, "when": when, "when_gone": "remove"} for rule_id, tag in tags.items()
    ]
    return validate_rules({"rules": rules})


def test_an_inheritance_is_decoded_as_it_was_encoded() -> None:
    inheritance = Inheritance(
        {"a": "remove", "b": "leave"}, frozenset({("a", 2), ("b", 3)}), frozenset({2, 3})
    )

    assert decode_inheritance(encode_inheritance(inheritance)) == inheritance
    assert decode_inheritance(b"") == Inheritance()


def test_the_stored_bytes_do_not_change() -> None:
    inheritance = Inheritance({"a": "remove"}, frozenset({("a", 2)}), frozenset({2}))

    assert encode_inheritance(inheritance) == b'[{"a":"remove"},[["a",2]],[2]]'
    assert decode_inheritance(b'[{"a":"remove"},[["a",2]]]').rolled_back == frozenset()


def test_the_policy_of_a_removed_rule_is_inherited_until_the_rule_returns() -> None:
    removed = inherit(NO_INHERITANCE, before=rule_set(a="A", b="B"), after=rule_set(a="A"))
    returned = inherit(removed, before=rule_set(a="A"), after=rule_set(a="A", b="B"))

    assert removed.orphan_policies == {"b": "remove"}
    assert returned == NO_INHERITANCE


def test_a_rollback_revokes_only_the_grants_of_changed_rules() -> None:
    inheritance = inherit_rollback(
        NO_INHERITANCE, undone={2: rule_set(a="A", b="Other")}, restored=rule_set(a="A", b="B")
    )

    assert inheritance.revoked_grants == {("b", 2)}
    assert inheritance.rolled_back == {2}


def test_a_version_rolled_back_the_unbroken_run_of_versions_before_it() -> None:
    inheritance = Inheritance(rolled_back=frozenset({2, 4, 5}))

    assert inheritance.rolled_back_by(6) == {4, 5}
    assert inheritance.rolled_back_by(4) == frozenset()
