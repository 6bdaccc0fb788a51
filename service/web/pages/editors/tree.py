"""The tree of conditions as a form: nodes with ids, from a draft's plain data and back.

The id of the outermost node of a rule is `n`, of the levels of a tier `l0`, `l1`, …; that of its second child is `n-1`. A
form has for each node `kind.ID` (all, any, condition), `not.ID`, and for a condition `field.ID`, `op.ID`, `was.ID` (field
and operator as they were shown) and `value.ID`, which may be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from starlette.datastructures import FormData

from service.domain.explain import Translator
from service.domain.rules import FIELDS, OPERATORS, OperandType
from service.web.pages.shell import parse_amount, parse_count, parse_day

Kind = Literal["all", "any", "condition"]
Path = tuple[str | int, ...]
Data = dict[str, Any]

ROOT: Final = "n"
MAX_NODES: Final = 200
FIRST_FIELD: Final = "total_spent"
_DAYS: Final = re.compile(r"([0-9]{1,6}) days")
_INDEX: Final = re.compile(r"[0-9]{1,3}")
_LISTS: Final = frozenset({OperandType.CHOICE_LIST, OperandType.TAG_LIST})
_RANGES: Final = {
    OperandType.MONEY_RANGE: OperandType.MONEY,
    OperandType.INTEGER_RANGE: OperandType.INTEGER,
}
_OF_LISTS: Final = {"is": "in", "is_not": "not_in"}
# Operands whose first value stays when the operator changes from one to the other.
_ALIKE: Final = (
    {OperandType.MONEY, OperandType.MONEY_RANGE},
    {OperandType.INTEGER, OperandType.INTEGER_RANGE},
    {OperandType.CHOICE, OperandType.CHOICE_LIST},
)


@dataclass(frozen=True, slots=True)
class Node:
    """A group or a condition. `path` leads to it in the draft, below the rule; `value` is plain data of the draft."""

    id: str
    path: Path
    kind: Kind
    negated: bool = False
    children: tuple[Node, ...] = ()
    field: str = ""
    op: str = ""
    value: Any = None

    @property
    def operand_type(self) -> OperandType:
        """The kind of value that the condition takes. TEXT for an unknown field or operator."""
        field = FIELDS.get(self.field)
        operator = OPERATORS[field.type].get(self.op) if field is not None else None
        return operator.operand_type if operator is not None else OperandType.TEXT


def to_node(data: object, *, path: Path, node_id: str = ROOT) -> Node:
    """The node of plain data. A `not` is a mark of its part; a second `not` inside it is undone."""
    negated = False
    while isinstance(data, Mapping) and "not" in data:
        negated, data, path = not negated, data["not"], (*path, "not")
    if isinstance(data, Mapping):
        for kind in ("all", "any"):
            parts = data.get(kind)
            if isinstance(parts, list | tuple):
                children = tuple(
                    to_node(part, path=(*path, kind, index), node_id=f"{node_id}-{index}")
                    for index, part in enumerate(parts)
                )
                return Node(node_id, path, "all" if kind == "all" else "any", negated, children)
        return Node(
            node_id,
            path,
            "condition",
            negated,
            (),
            str(data.get("field", "")),
            str(data.get("op", "")),
            data.get("value"),
        )
    return Node(node_id, path, "condition", negated, (), FIRST_FIELD, "at_least")


def to_root(data: object, *, path: Path = ("when",), node_id: str = ROOT) -> tuple[Node, bool]:
    """The outermost group of a rule, and whether the draft has a single condition in its place."""
    node = to_node(data, path=path, node_id=node_id)
    if node.kind != "condition":
        return node, False
    child = replace(node, id=f"{node_id}-0")
    return Node(node_id, path, "all", False, (child,)), True


def to_data(node: Node) -> Data:
    """Plain data of a node."""
    if node.kind == "condition":
        data: Data = {"field": node.field, "op": node.op}
        if node.operand_type is not OperandType.NONE:
            data["value"] = node.value
    else:
        data = {node.kind: [to_data(child) for child in node.children]}
    return {"not": data} if node.negated else data


def root_to_data(node: Node, *, is_bare: bool) -> Data:
    """Plain data of the outermost group. A single condition stays one if the draft had it so: no change is shown."""
    if is_bare and node.kind == "all" and not node.negated and len(node.children) == 1:
        return to_data(node.children[0])
    return to_data(node)


def read_node(form: FormData, node_id: str = ROOT, path: Path = ("when",)) -> Node:
    """The node that a form posted."""
    negated = bool(form.get(f"not.{node_id}"))
    kind = form.get(f"kind.{node_id}")
    if kind in ("all", "any"):
        prefix = f"kind.{node_id}-"
        numbers = sorted(
            int(rest)
            for name in form
            if name.startswith(prefix) and _INDEX.fullmatch(rest := name.removeprefix(prefix))
        )[:MAX_NODES]
        children = tuple(read_node(form, f"{node_id}-{number}", (*path, kind, number)) for number in numbers)
        return Node(node_id, path, "all" if kind == "all" else "any", negated, children)
    return _read_condition(form, node_id, path, negated=negated)


def _read_condition(form: FormData, node_id: str, path: Path, *, negated: bool) -> Node:
    field, op = str(form.get(f"field.{node_id}", "")), str(form.get(f"op.{node_id}", ""))
    old_field, _, old_op = str(form.get(f"was.{node_id}", "")).partition(":")
    if field not in FIELDS:
        field = FIRST_FIELD
    operators = OPERATORS[FIELDS[field].type]
    if op not in operators:
        op = next(iter(operators))
    texts = [value.strip() for value in form.getlist(f"value.{node_id}") if isinstance(value, str)]
    node = Node(node_id, path, "condition", negated, (), field, op)
    before = Node(node_id, path, "condition", False, (), old_field or field, old_op or op)
    if before.field != field or not _keeps_value(before.operand_type, node.operand_type):
        texts = _default(node.operand_type)
    value = read_value(node.operand_type, texts)
    return replace(node, value=_gender(value) if field == "gender" else value)


def _gender(value: Any) -> Any:
    """A gender may be written as its number."""
    if isinstance(value, list):
        return [_gender(each) for each in value]
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _keeps_value(before: OperandType, after: OperandType) -> bool:
    return before is after or any({before, after} <= alike for alike in _ALIKE)


def _default(operand: OperandType) -> list[str]:
    return {OperandType.BOOLEAN: ["true"], OperandType.MONTH: ["1"]}.get(operand, [])


def read_value(operand: OperandType, texts: Sequence[str]) -> Any:
    """What people typed, as a draft has it. A text that is no value of this kind stays as it is: it is an error later."""
    filled = [text for text in texts if text]
    if operand in _LISTS:
        return filled
    if operand in _RANGES:
        ends = [*texts, "", ""][:2]
        return [_read_one(_RANGES[operand], text) for text in ends] if any(ends) else None
    return _read_one(operand, filled[0]) if filled else None


def _read_one(operand: OperandType, text: str) -> Any:
    match operand:
        case OperandType.MONEY:
            return _plain(parse_amount(text), text)
        case OperandType.INTEGER | OperandType.MONTH:
            count = parse_count(text)
            return text if count is None else count
        case OperandType.DURATION:
            return f"{int(text)} days" if text.isascii() and text.isdigit() and len(text) <= 6 else text
        case OperandType.DATE:
            day = parse_day(text)
            return text if day is None else day.isoformat()
        case OperandType.BOOLEAN:
            return text == "true"
    return text


def _plain(amount: Decimal | None, text: str) -> Any:
    if amount is None:
        return text
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def show_values(node: Node, t: Translator) -> list[str]:
    """The texts of the inputs of a condition."""
    value = node.value
    if node.operand_type in _LISTS:
        return [
            str(each) for each in (value if isinstance(value, list | tuple) else [value] if value else [])
        ]
    if node.operand_type in _RANGES:
        ends = [*value] if isinstance(value, list | tuple) else [value]
        return [_show_one(_RANGES[node.operand_type], end, t) for end in [*ends, None, None][:2]]
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return [_show_one(node.operand_type, value, t)]


def _show_one(operand: OperandType, value: Any, t: Translator) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if operand in (OperandType.MONEY, OperandType.INTEGER) and isinstance(value, int | float):
        return t.number(value if isinstance(value, int) else Decimal(repr(value)))
    if operand is OperandType.DURATION and (match := _DAYS.fullmatch(str(value))):
        return match[1]
    return str(value)


def change(root: Node, do: str) -> tuple[Node, str]:
    """Apply a button of the form, such as `add:n` or `del:n-1`. Returns the new tree and the id of the element to focus."""
    action, _, rest = do.partition(":")
    node_id, _, argument = rest.partition(":")
    root_id, *steps = node_id.split("-")
    path = [int(step) for step in steps if _INDEX.fullmatch(step)]
    if root_id != root.id or len(path) != len(steps):
        return root, ""
    match action:
        case "add":
            return _append(root, path, Node("", (), "condition", False, (), FIRST_FIELD, "at_least"), "field")
        case "group":
            first = Node("", (), "condition", False, (), FIRST_FIELD, "at_least")
            kind: Kind = "any" if _at(root, path).kind == "all" else "all"
            return _append(root, path, Node("", (), kind, False, (first,)), "kind")
        case "del" | "up" | "down" if path:
            return _move(root, path, action)
        case "more":
            node = _at(root, path)
            values = node.value if isinstance(node.value, list) else []
            return root, f"value-{node_id}-{len(values)}"
        case "take":
            taken = _take(_at(root, path), argument)
            return _replace(root, path, taken), f"value-{node_id}"
    return root, ""


def take_button(node_id: str, *, value: str, replaces: str) -> str:
    """What the button posts that takes an offered value. `replaces` is a value of the condition, or empty: add it."""
    return f"take:{node_id}:{msgspec.json.encode([replaces, value]).decode()}"


def _take(node: Node, argument: str) -> Node:
    """The condition with an offered value. One that had a single value compares with a list then."""
    try:
        replaces, value = msgspec.json.decode(argument, type=tuple[str, str])
    except msgspec.DecodeError:
        return node
    values = [str(each) for each in (node.value if isinstance(node.value, list) else [node.value]) if each]
    if replaces in values:
        values = [value if each == replaces else each for each in values]
    elif value not in values:
        values.append(value)
    if node.operand_type in _LISTS:
        return replace(node, value=values)
    if len(values) == 1:
        return replace(node, value=values[0])
    return replace(node, op=_OF_LISTS.get(node.op, node.op), value=values)


def _at(root: Node, path: Sequence[int]) -> Node:
    for step in path:
        if step >= len(root.children):
            return root
        root = root.children[step]
    return root


def _replace(root: Node, path: Sequence[int], new: Node) -> Node:
    if not path:
        return new
    step = path[0]
    if step >= len(root.children):
        return root
    child = _replace(root.children[step], path[1:], new)
    return replace(root, children=(*root.children[:step], child, *root.children[step + 1 :]))


def _append(root: Node, path: Sequence[int], new: Node, focus: str) -> tuple[Node, str]:
    parent = _at(root, path)
    if parent.kind == "condition":
        return root, ""
    steps = "-".join(map(str, [*path, len(parent.children)]))
    child_id = f"{root.id}-{steps}" + ("-0" if focus == "kind" else "")
    return _replace(root, path, replace(parent, children=(*parent.children, new))), f"field-{child_id}"


def _move(root: Node, path: Sequence[int], action: str) -> tuple[Node, str]:
    """Delete a child or exchange it with a neighbour. The focus goes to where the child or its successor is now."""
    parent, index = _at(root, path[:-1]), path[-1]
    children = [*parent.children]
    if index >= len(children):
        return root, ""
    parent_id = "-".join([root.id, *map(str, path[:-1])])
    if action == "del":
        del children[index]
        focus = f"add-{parent_id}" if not children else f"del-{parent_id}-{min(index, len(children) - 1)}"
    else:
        other = index - 1 if action == "up" else index + 1
        if not 0 <= other < len(children):
            return root, f"{action}-{parent_id}-{index}"
        children[index], children[other] = children[other], children[index]
        focus = f"{action}-{parent_id}-{other}"
    return _replace(root, path[:-1], replace(parent, children=tuple(children))), focus
