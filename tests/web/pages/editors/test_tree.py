"""The tree of conditions survives the way into the form and back, and its buttons do what they say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from starlette.datastructures import FormData, UploadFile

from service.domain.documents import validate_rules
from service.domain.rules import OperandType
from service.locales import translator_for
from service.web.pages.editors.tree import (
    Node,
    change,
    read_node,
    read_value,
    root_to_data,
    show_values,
    take_button,
    to_data,
    to_root,
)
from tests.reference import strategies

VI = translator_for("vi")


def form_of(node: Node) -> list[tuple[str, str | UploadFile]]:
    """The fields that a browser posts for a node."""
    fields: list[tuple[str, str | UploadFile]] = [(f"kind.{node.id}", node.kind)]
    fields += [(f"not.{node.id}", "1")] if node.negated else []
    for child in node.children:
        fields += form_of(child)
    if node.kind == "condition":
        fields += [
            (f"field.{node.id}", node.field),
            (f"op.{node.id}", node.op),
            (f"was.{node.id}", f"{node.field}:{node.op}"),
        ]
        fields += [(f"value.{node.id}", text) for text in show_values(node, VI)]
    return fields


def stripped(data: Any) -> Any:
    """The same data without blanks around texts: conditions compare without them."""
    if isinstance(data, dict):
        return {key: stripped(value) for key, value in data.items()}
    if isinstance(data, list):
        return [stripped(value) for value in data]
    return data.strip() if isinstance(data, str) else data


@given(strategies.trees(strategies.FOREIGN))
def test_a_rule_means_the_same_after_the_form(when: dict[str, Any]) -> None:
    root, is_bare = to_root(when)

    data = root_to_data(read_node(FormData(form_of(root))), is_bare=is_bare)

    assert data == stripped(to_data(root.children[0]) if is_bare else to_data(root))
    validate_rules({"rules": [{"id": "a", "tag": "A", "when": data}], "currency": "USD"})


@pytest.mark.parametrize(
    ("operand", "typed", "value"),
    [
        (OperandType.MONEY, ["10tr"], 10_000_000),
        (OperandType.MONEY, ["1,5 tỷ"], 1_500_000_000),
        (OperandType.MONEY, ["mười"], "mười"),
        (OperandType.MONEY, [""], None),
        (OperandType.MONEY_RANGE, ["1tr", "2tr"], [1_000_000, 2_000_000]),
        (OperandType.INTEGER, ["1.000"], 1000),
        (OperandType.DURATION, ["90"], "90 days"),
        (OperandType.DURATION, ["3 tháng"], "3 tháng"),
        (OperandType.DATE, ["28/11/2026"], "2026-11-28"),
        (OperandType.BOOLEAN, ["false"], False),
        (OperandType.CHOICE_LIST, ["Huế", "", "Hà Nội"], ["Huế", "Hà Nội"]),
    ],
)
def test_what_people_type_becomes_a_value_or_stays_as_it_is(
    operand: OperandType, typed: list[str], value: object
) -> None:
    assert read_value(operand, typed) == value


def test_an_amount_is_shown_as_it_is_written() -> None:
    node = Node("n-0", (), "condition", field="total_spent", op="at_least", value=10_000_000)

    assert show_values(node, VI) == ["10.000.000"]


def test_another_operator_of_the_same_kind_keeps_the_value_and_another_field_does_not() -> None:
    form = {"kind.n": "all", "kind.n-0": "condition", "value.n-0": "7tr"}
    same = form | {"field.n-0": "total_spent", "op.n-0": "less_than", "was.n-0": "total_spent:at_least"}
    other = form | {"field.n-0": "orders_count", "op.n-0": "at_least", "was.n-0": "total_spent:at_least"}

    assert read_node(FormData(same)).children[0].value == 7_000_000
    assert read_node(FormData(other)).children[0].value is None


def tree_of(*names: str) -> Node:
    conditions = [{"field": name, "op": "is_empty"} for name in names]
    return to_root({"all": conditions})[0]


@pytest.mark.parametrize(
    ("do", "fields", "focus"),
    [
        ("add:n", ["email", "phone", "note", "total_spent"], "field-n-3"),
        ("del:n-1", ["email", "note"], "del-n-1"),
        ("del:n-2", ["email", "phone"], "del-n-1"),
        ("up:n-1", ["phone", "email", "note"], "up-n-0"),
        ("down:n-0", ["phone", "email", "note"], "down-n-1"),
        ("up:n-0", ["email", "phone", "note"], "up-n-0"),
        ("del:n-9", ["email", "phone", "note"], ""),
        ("nonsense", ["email", "phone", "note"], ""),
    ],
)
def test_a_button_changes_the_tree_and_names_what_to_focus(do: str, fields: list[str], focus: str) -> None:
    tree, focused = change(tree_of("email", "phone", "note"), do)

    assert [child.field for child in tree.children] == fields
    assert focused == focus


def test_a_group_holds_a_first_condition_and_the_other_kind() -> None:
    tree, focus = change(tree_of("email"), "group:n")

    assert (tree.children[1].kind, len(tree.children[1].children)) == ("any", 1)
    assert focus == "field-n-1-0"


def test_a_second_tree_has_ids_of_its_own() -> None:
    root, _ = to_root(
        {"all": [{"field": "email", "op": "is_empty"}]}, path=("levels", 1, "when"), node_id="l1"
    )

    tree, focus = change(root, "add:l1")
    other, nothing = change(root, "add:l0")

    assert (len(tree.children), focus) == (2, "field-l1-1")
    assert (other, nothing) == (root, "")


@pytest.mark.parametrize(
    ("op", "value", "replaces", "expected"),
    [
        ("is", "Hồ Chí Minh", "", ("in", ["Hồ Chí Minh", "TP. HCM: A"])),
        ("is_not", "Hồ Chí Minh", "", ("not_in", ["Hồ Chí Minh", "TP. HCM: A"])),
        ("is", "hcm", "hcm", ("is", "TP. HCM: A")),
        ("in", ["Huế", "hcm"], "hcm", ("in", ["Huế", "TP. HCM: A"])),
        ("in", ["TP. HCM: A"], "", ("in", ["TP. HCM: A"])),
        ("is", None, "", ("is", "TP. HCM: A")),
    ],
)
def test_an_offered_value_replaces_or_joins_the_others(
    op: str, value: object, replaces: str, expected: tuple[str, object]
) -> None:
    root = to_root({"all": [{"field": "province", "op": op, "value": value}]})[0]

    tree, _ = change(root, take_button("n-0", value="TP. HCM: A", replaces=replaces))

    assert (tree.children[0].op, tree.children[0].value) == expected
    assert change(root, "take:n-0:nonsense")[0] == root
