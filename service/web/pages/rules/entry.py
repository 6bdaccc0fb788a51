"""A rule as a form: its settings beside the conditions, from a draft's plain data and back, and where its errors belong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData

from service.domain.explain import Translator
from service.domain.rules import FIELDS, OPERATORS, FieldType, OperandType
from service.publishing.editor import Inspection, Problem
from service.web.pages.rules.tree import Data, Node, Path, read_node, root_to_data, show_values, to_root

DEFAULT_KEEP_DAYS: Final = "30"
CONTROLS: Final = {
    OperandType.NONE: "none",
    OperandType.MONEY: "money",
    OperandType.MONEY_RANGE: "money_range",
    OperandType.INTEGER: "count",
    OperandType.INTEGER_RANGE: "count_range",
    OperandType.DURATION: "days",
    OperandType.DATE: "date",
    OperandType.MONTH: "select",
    OperandType.BOOLEAN: "select",
    OperandType.CHOICE: "text",
    OperandType.CHOICE_LIST: "list",
    OperandType.TEXT: "text",
    OperandType.TAG_LIST: "list",
}
NOT_COUNTED: Final = frozenset(
    {"within_last", "more_than_ago", "before", "after"}
)  # an empty date never matches
_KEEP_DAYS: Final = re.compile(r"([0-9]+) days")


@dataclass(frozen=True, slots=True)
class RuleFields:
    """The settings of a rule as the form shows them."""

    id: str
    name_vi: str
    name_en: str
    tag: str
    note: str
    enabled: bool
    keep: str  # while_matching, forever, days
    keep_days: str
    owns: str
    when_gone: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node of the form with everything that its row shows."""

    id: str
    kind: str
    negated: bool
    children: tuple[NodeView, ...]
    is_first: bool
    is_last: bool
    depth: int
    field: str = ""
    op: str = ""
    operators: tuple[tuple[str, str], ...] = ()
    control: str = ""
    options: tuple[tuple[str, str], ...] = ()
    values: tuple[str, ...] = ()
    values_of: str = ""  # the field whose values are offered
    errors: Mapping[str, str] | None = None  # part -> text
    error: str = ""
    count: int | None = None  # customers that are left after this part
    hint: str = ""


def read_fields(entry: Mapping[str, Any]) -> RuleFields:
    """The settings of a draft's rule."""
    name = entry.get("name")
    vi, en = (name.get("vi"), name.get("en")) if isinstance(name, Mapping) else (name, "")
    keep = str(entry.get("keep", "while_matching"))
    days = _KEEP_DAYS.fullmatch(keep)
    return RuleFields(
        id=str(entry.get("id", "")),
        name_vi=str(vi or ""),
        name_en=str(en or ""),
        tag=str(entry.get("tag") or ""),
        note=str(entry.get("note") or ""),
        enabled=bool(entry.get("enabled", True)),
        keep=keep if keep in ("while_matching", "forever") else "days",
        keep_days=days[1] if days else DEFAULT_KEEP_DAYS if keep in ("while_matching", "forever") else keep,
        owns=str(entry.get("owns", "added")),
        when_gone=str(entry.get("when_gone", "leave")),
    )


def read_entry(form: FormData, original: Mapping[str, Any]) -> Data:
    """The rule that a form posted. What the form does not have stays as in `original`."""
    entry = dict(original)

    def text(name: str) -> str:
        value = form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    vi, en = text("name_vi"), text("name_en")
    if en or isinstance(entry.get("name"), Mapping):
        entry["name"] = {key: value for key, value in (("vi", vi), ("en", en)) if value}
    else:
        entry["name"] = vi
    if not entry["name"]:
        del entry["name"]
    entry["tag"] = text("tag")
    keep = text("keep") or "while_matching"
    if keep == "days":
        days = text("keep_days")
        keep = f"{days} days" if days.isascii() and days.isdigit() else days
    entry["keep"] = keep
    entry["owns"] = text("owns") or "added"
    entry["when_gone"] = text("when_gone") or "leave"
    entry.pop("note", None)
    if note := text("note"):
        entry["note"] = note
    entry["when"] = root_to_data(read_node(form), is_bare=bool(form.get("bare")))
    return entry


def field_errors(problems: Sequence[Problem]) -> dict[str, str]:
    """The errors of the settings, by name of the input."""
    inputs = {"name": "name_vi", "keep": "keep_days"}
    return {
        inputs.get(str(each.path[0]), str(each.path[0])): each.text
        for each in problems
        if each.path and each.path[0] != "when"
    } | {each.part or "tag": each.text for each in problems if not each.path}


def tree_errors(root: Node, problems: Sequence[Problem]) -> dict[tuple[str, str], str]:
    """The errors of conditions and groups: node id and part -> text."""
    by_path: dict[Path, Node] = {}

    def visit(node: Node) -> None:
        by_path[node.path] = node
        for child in node.children:
            visit(child)

    visit(root)
    errors: dict[tuple[str, str], str] = {}
    for problem in problems:
        path: Path = problem.path
        if not path or path[0] != "when":
            continue
        while path and path not in by_path:
            path = path[:-1]
        node = by_path.get(path, root)
        part = "" if node.kind != "condition" else problem.part or "value"
        errors.setdefault((node.id, part), problem.text)
    return errors


def node_view(root: Node, *, t: Translator, inspection: Inspection) -> NodeView:
    """The outermost group with its rows."""
    errors = tree_errors(root, inspection.problems)
    funnel = inspection.effect.funnel if inspection.effect is not None else ()
    return _view(root, t, errors, funnel, depth=0, index=0, size=1)


def _view(
    node: Node,
    t: Translator,
    errors: Mapping[tuple[str, str], str],
    funnel: Sequence[int],
    *,
    depth: int,
    index: int,
    size: int,
) -> NodeView:
    count = funnel[index] if depth == 1 and index < len(funnel) else None
    if node.kind != "condition":
        children = tuple(
            _view(
                child,
                t,
                errors,
                funnel if not depth else (),
                depth=depth + 1,
                index=at,
                size=len(node.children),
            )
            for at, child in enumerate(node.children)
        )
        return NodeView(
            node.id,
            node.kind,
            node.negated,
            children,
            not index,
            index == size - 1,
            depth,
            error=errors.get((node.id, ""), ""),
            count=count,
        )
    field = FIELDS.get(node.field)
    values = show_values(node, t)
    control = CONTROLS[node.operand_type]
    if node.field == "gender" and control == "text":
        control = "select"
    has_values = field is not None and field.type in (FieldType.CHOICE, FieldType.TAGS)
    return NodeView(
        node.id,
        node.kind,
        node.negated,
        (),
        not index,
        index == size - 1,
        depth,
        field=node.field,
        op=node.op,
        operators=operator_options(node.field, t),
        control=control,
        options=_options(node, t),
        values=tuple(values),
        values_of=node.field if has_values else "",
        errors={
            part: errors[node.id, part] for part in ("field", "op", "value") if (node.id, part) in errors
        },
        count=count,
        hint=t("rules.hint.empty_date", field=t(f"field.{node.field}"))
        if field is not None and field.type is FieldType.DATE and node.op in NOT_COUNTED
        else "",
    )


def operator_options(field_name: str, t: Translator) -> tuple[tuple[str, str], ...]:
    """The operators of a field with their labels: the sentence of the catalog with an ellipsis for the value."""
    field = FIELDS.get(field_name)
    if field is None:
        return ()
    options = []
    for op in OPERATORS[field.type]:
        text = t(f"op.{field.type}.{op}", field="", value="…", low="…", high="…").strip(" :")
        options.append((op, text if text.strip("…. ") else t("rules.op.is")))
    return tuple(options)


def field_options(t: Translator) -> tuple[tuple[str, str], ...]:
    """Every field with its label."""
    return tuple((name, t(f"field.{name}")) for name in FIELDS)


def _options(node: Node, t: Translator) -> tuple[tuple[str, str], ...]:
    match node.operand_type:
        case OperandType.MONTH:
            return tuple((str(number), t.month(number)) for number in range(1, 13))
        case OperandType.BOOLEAN:
            return ("true", t("yes")), ("false", t("no"))
    if node.field == "gender":
        return _gender_options(str(node.value if node.value is not None else "").casefold(), t)
    return ()


def _gender_options(value: str, t: Translator) -> tuple[tuple[str, str], ...]:
    """Both genders. What the author wrote for one of them stays as it is written."""
    female = value if value in ("0", "nữ", "nu") else "female"
    male = value if value in ("1", "nam") else "male"
    return (female, t("gender.0")), (male, t("gender.1"))


def root_of(entry: Mapping[str, Any]) -> tuple[Node, bool]:
    """The outermost group of a draft's rule, and whether the draft has a single condition in its place."""
    return to_root(entry.get("when"))
