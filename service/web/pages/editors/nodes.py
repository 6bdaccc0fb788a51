"""The conditions of a rule or level as rows of the form: controls, errors, customers that are left, offered values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from service.domain.explain import Translator
from service.domain.rules import FIELDS, OPERATORS, FieldType, OperandType
from service.publishing.editor import Inspection, Problem, ValueHelp
from service.web.pages.editors.tree import Node, Path, show_values, take_button

MAX_DEPTH: Final = 3  # of groups inside the outermost one
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


@dataclass(frozen=True, slots=True)
class OfferView:
    """A value that customers have, as a button. `do` is what it posts."""

    text: str
    do: str


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
    may_nest: bool = False
    field: str = ""
    op: str = ""
    operators: tuple[tuple[str, str], ...] = ()
    control: str = ""
    options: tuple[tuple[str, str], ...] = ()
    values: tuple[str, ...] = ()
    values_of: str = ""  # the field whose values are offered
    errors: Mapping[str, str] | None = None  # part -> text
    error: str = ""
    count: str = ""  # customers that are left after this part
    hint: str = ""
    known: str = ""  # customers who have the values
    offers: tuple[OfferView, ...] = ()

    def walk(self) -> Iterator[NodeView]:
        """The node and all nodes below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def links(self) -> Iterator[tuple[str, str]]:
        """The id of the input and the text of each error."""
        for node in self.walk():
            if node.error:
                yield f"group-{node.id}", node.error
            for part, text in (node.errors or {}).items():
                yield f"{part}-{node.id}", text


@dataclass(frozen=True, slots=True)
class _Tree:
    """What the rows of one tree have in common. `funnel`: see `RuleEffect`."""

    t: Translator
    errors: Mapping[tuple[str, str], str]
    help: Mapping[Path, ValueHelp]
    funnel: Sequence[int]
    count_key: str


def node_view(
    root: Node, *, prefix: Path, t: Translator, inspection: Inspection, funnel: Sequence[int]
) -> NodeView:
    """The outermost group with its rows. `prefix` leads to the tree within the rule."""
    errors = tree_errors(root, inspection.problems, prefix)
    count_key = "rules.left" if root.kind == "all" else "rules.alone"
    return _view(root, _Tree(t, errors, inspection.help, funnel, count_key), depth=0, index=0, size=1)


def tree_errors(root: Node, problems: Sequence[Problem], prefix: Path) -> dict[tuple[str, str], str]:
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
        if path[: len(prefix)] != prefix:
            continue
        while path and path not in by_path:
            path = path[:-1]
        node = by_path.get(path, root)
        part = "" if node.kind != "condition" else problem.part or "value"
        errors.setdefault((node.id, part), problem.text)
    return errors


def _view(node: Node, tree: _Tree, *, depth: int, index: int, size: int) -> NodeView:
    has_count = depth == 1 and index < len(tree.funnel)
    count = tree.t(tree.count_key, n=tree.t.number(tree.funnel[index])) if has_count else ""
    if node.kind != "condition":
        return NodeView(
            node.id,
            node.kind,
            node.negated,
            tuple(
                _view(child, tree, depth=depth + 1, index=at, size=len(node.children))
                for at, child in enumerate(node.children)
            ),
            not index,
            index == size - 1,
            depth,
            may_nest=depth < MAX_DEPTH,
            error=tree.errors.get((node.id, ""), ""),
            count=count,
        )
    field, t = FIELDS.get(node.field), tree.t
    control = CONTROLS[node.operand_type]
    if node.field == "gender" and control == "text":
        control = "select"
    has_values = field is not None and field.type in (FieldType.CHOICE, FieldType.TAGS)
    help_ = (
        tree.help.get(node.path, ValueHelp()) if node.operand_type is not OperandType.NONE else ValueHelp()
    )
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
        values=tuple(show_values(node, t)),
        values_of=node.field if has_values else "",
        errors={
            part: tree.errors[node.id, part]
            for part in ("field", "op", "value")
            if (node.id, part) in tree.errors
        },
        count=count,
        hint=t("rules.hint.empty_date", field=t(f"field.{node.field}"))
        if field is not None and field.type is FieldType.DATE and node.op in NOT_COUNTED
        else "",
        known=known_text(help_, t),
        offers=tuple(
            OfferView(
                t("rules.value", value=each.value, count=t.number(each.customers)),
                take_button(node.id, value=each.value, replaces=each.replaces),
            )
            for each in help_.offers
        ),
    )


def known_text(help_: ValueHelp, t: Translator) -> str:
    """How many customers have each of the named values."""
    return " · ".join(
        t("rules.known", value=text, count=t.number(count)) if count else t("rules.known.none", value=text)
        for text, count in help_.counts
    )


def tag_text(help_: ValueHelp, t: Translator) -> str:
    """How many customers have the tag already. A tag that nobody has is nothing to mention: it is new."""
    return next((t.plural("rules.tag_known", count) for _, count in help_.counts if count), "")


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
