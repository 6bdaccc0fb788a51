"""The form of a tier: levels from the top, by thresholds of one number, or each with conditions of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData

from service.domain.explain import Translator
from service.domain.preview import TierPreview
from service.domain.rules import FIELDS, FieldType
from service.publishing.editor import Inspection, LevelCount, Problem, ValueHelp
from service.store.shops import Shop
from service.web.pages.editors.drafts import EditorFrame
from service.web.pages.editors.entry import Panel, Trial, make_panel
from service.web.pages.editors.nodes import NodeView, field_options, node_view, tag_text
from service.web.pages.editors.tree import (
    change,
    read_node,
    read_value,
    root_to_data,
    show_values,
    to_node,
    to_root,
)

MAX_LEVELS: Final = 20
NUMBERS: Final = tuple(name for name, each in FIELDS.items() if each.type in (FieldType.MONEY, FieldType.INT))
NEW_TIER: Final[dict[str, Any]] = {
    "id": "hang",
    "enabled": True,
    "owns": "all",
    "when_gone": "leave",
    "downgrade": "at_once",
    "levels": [
        {"tag": tag, "when": {"field": "total_spent", "op": "at_least", "value": amount}}
        for tag, amount in (("Gold", 50_000_000), ("Silver", 20_000_000), ("Bronze", 5_000_000))
    ],
}

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LevelRow:
    """A level from the top. `threshold` is that of a ladder, `root` the conditions of a level that has its own."""

    index: int
    tag: str
    threshold: str
    root: NodeView
    is_bare: bool
    is_first: bool
    is_last: bool
    customers: str = ""
    tag_error: str = ""
    tag_known: str = ""
    tag_offers: tuple[str, ...] = ()
    error: str = ""  # of the threshold


@dataclass(frozen=True, slots=True)
class TierEditor:
    """The form of a tier. `is_ladder`: every level compares the same number. `errors` are those of the settings."""

    frame: EditorFrame
    panel: Panel
    name: str
    field: str
    is_money: bool
    is_ladder: bool
    fields: tuple[tuple[str, str], ...]
    field_names: tuple[tuple[str, str], ...]
    downgrade: str
    downgrade_days: str
    levels: tuple[LevelRow, ...]
    errors: Mapping[str, str]
    trial: Trial

    @property
    def roots(self) -> tuple[NodeView, ...]:
        """The trees of the form."""
        return () if self.is_ladder else tuple(row.root for row in self.levels)


@dataclass(frozen=True, slots=True)
class MoveRow:
    """The customers who leave a level, by the level that they go to, in the order of the columns."""

    source: str
    cells: tuple[MoveCell, ...]


@dataclass(frozen=True, slots=True)
class MoveCell:
    """Customers who go from one level to another. `waiting` of them keep the old tag for now."""

    target: str
    customers: int = 0
    waiting: int = 0
    is_down: bool = False
    samples: tuple[tuple[int, str], ...] = ()  # id and name


@dataclass(frozen=True, slots=True)
class Moves:
    """Who moves between the levels of a tier. `rows` is None if the tier has errors or is off; "" is no level."""

    shop: Shop
    id: str
    targets: tuple[str, ...] = ()
    rows: tuple[MoveRow, ...] | None = None


def read_tier(form: FormData, original: Mapping[str, Any], do: str) -> tuple[Entry, str]:
    """The tier that a form posted, after the button, and the id of the element to focus."""
    entry = dict(original)

    def text(name: str) -> str:
        value = form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    name = entry.get("name")
    if isinstance(name, Mapping):
        entry["name"] = {**name, "vi": text("name")} if text("name") else dict(name)
    else:
        entry["name"] = text("name") or entry["id"]
    downgrade = text("downgrade")
    if downgrade == "after":
        days = text("downgrade_days")
        entry["downgrade"] = {"after": f"{days} days" if days.isascii() and days.isdigit() else days}
    elif downgrade in ("at_once", "never"):
        entry["downgrade"] = downgrade
    field = text("field") if text("field") in NUMBERS else NUMBERS[0]
    levels, focus = [], ""
    for index in _indexes(form):
        level, level_focus = _read_level(form, index, field, do)
        levels.append(level)
        focus = focus or level_focus
    if levels and text("mode") != text("shape"):
        levels = (
            [_with_own_conditions(each) for each in levels]
            if text("mode") == "own"
            else ([_with_threshold(each, field) for each in levels])
        )
        focus = f"mode-{text('mode')}"
    if levels:
        entry["levels"] = levels[:MAX_LEVELS]
        focus = change_levels(entry, do) or focus
    return entry, focus


def _indexes(form: FormData) -> list[int]:
    """The numbers of the levels that were posted."""
    numbers = (name.removeprefix("tag.") for name in form if name.startswith("tag."))
    return sorted(int(each) for each in numbers if each.isascii() and each.isdigit() and len(each) < 4)


def _read_level(form: FormData, index: int, field: str, do: str) -> tuple[Entry, str]:
    tag, root_id = str(form.get(f"tag.{index}", "")).strip(), f"l{index}"
    if do.startswith(f"tag:{index}:"):
        tag = do.removeprefix(f"tag:{index}:")
    if f"kind.{root_id}" in form:
        root, focus = change(read_node(form, root_id, ("levels", index, "when")), do)
        when = root_to_data(root, is_bare=bool(form.get(f"bare.{root_id}")))
        return {"tag": tag, "when": when}, focus
    probe = to_node({"field": field, "op": "at_least"}, path=())
    value = read_value(probe.operand_type, [str(form.get(f"threshold.{index}", "")).strip()])
    return {"tag": tag, "when": {"field": field, "op": "at_least", "value": value}}, ""


def _with_own_conditions(level: Entry) -> Entry:
    """A group around the threshold: a draft without a group is shown as a ladder."""
    return level | {"when": {"all": [level["when"]]}}


def _with_threshold(level: Entry, field: str) -> Entry:
    """The least value of this number that the conditions ask for, and nothing else of them."""
    least = next((each["value"] for each in _leaves(level["when"]) if _is_threshold(each, field)), None)
    return level | {"when": {"field": field, "op": "at_least", "value": least}}


def _leaves(data: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(data, Mapping):
        if "field" in data:
            yield data
        for parts in data.values():
            yield from _leaves(parts)
    elif isinstance(data, list):
        for part in data:
            yield from _leaves(part)


def _is_threshold(condition: Mapping[str, Any], field: str) -> bool:
    return condition.get("field") == field and condition.get("op") == "at_least" and "value" in condition


def change_levels(entry: Entry, do: str) -> str:
    """Apply a button: `level_add`, `level_del:1`, `level_up:1`, `level_down:1`. Returns the id of the element to focus."""
    action, _, at = do.partition(":")
    levels = [*entry.get("levels", ())]
    index = int(at) if at.isascii() and at.isdigit() and int(at) < len(levels) else -1
    focus = ""
    if action == "level_add" and levels and len(levels) < MAX_LEVELS:
        when = levels[-1]["when"]
        empty = {**when, "value": None} if ladder_field(levels) else {"all": [_empty_condition(when)]}
        levels.append({"tag": "", "when": empty})
        focus = f"tag-{len(levels) - 1}"
    elif action == "level_del" and index >= 0 and len(levels) > 1:
        del levels[index]
        focus = f"level_del-{min(index, len(levels) - 1)}"
    elif action in ("level_up", "level_down") and index >= 0:
        other = index - 1 if action == "level_up" else index + 1
        if 0 <= other < len(levels):
            levels[index], levels[other] = levels[other], levels[index]
            focus = f"{action}-{other}"
    entry["levels"] = levels
    return focus


def _empty_condition(when: object) -> Entry:
    first = next(_leaves(when), {"field": NUMBERS[0], "op": "at_least"})
    return {**first, "value": None}


def make_editor(
    frame: EditorFrame, entry: Mapping[str, Any], inspection: Inspection, *, t: Translator, trial: Trial
) -> TierEditor:
    """The form of a draft's tier."""
    levels = [*entry.get("levels", ())]
    field = ladder_field(levels)
    rows = tuple(_rows(levels, inspection, t, is_ladder=bool(field)))
    errors = {
        "downgrade_days" if each.path[:1] == ("downgrade",) else str(each.path[0]): each.text
        for each in inspection.problems
        if each.path and each.path[0] != "levels"
    } | {each.part or "levels": each.text for each in inspection.problems if not each.path}
    links = [*errors.items()]
    for row in rows:
        links += [(f"tag-{row.index}", row.tag_error)] if row.tag_error else []
        links += [(f"threshold-{row.index}", row.error)] if row.error else []
        links += [] if field else row.root.links()
    downgrade = entry.get("downgrade", "at_once")
    after = str(downgrade.get("after", "")) if isinstance(downgrade, Mapping) else ""
    name = entry.get("name")
    return TierEditor(
        frame=frame,
        panel=make_panel(frame, entry, inspection, links),
        name=str(name.get("vi") or "") if isinstance(name, Mapping) else str(name or entry["id"]),
        field=field or NUMBERS[0],
        is_money=FIELDS[field or NUMBERS[0]].type is FieldType.MONEY,
        is_ladder=bool(field),
        fields=tuple((each, t(f"field.{each}")) for each in NUMBERS),
        field_names=field_options(t),
        downgrade="after" if after else str(downgrade),
        downgrade_days=after.removesuffix(" days") or "90",
        levels=rows,
        errors=errors,
        trial=trial,
    )


def _rows(
    levels: Sequence[Mapping[str, Any]], inspection: Inspection, t: Translator, *, is_ladder: bool
) -> Iterator[LevelRow]:
    for index, level in enumerate(levels):
        path = ("levels", index)
        root, is_bare = to_root(level.get("when"), path=(*path, "when"), node_id=f"l{index}")
        count = inspection.levels[index] if index < len(inspection.levels) else LevelCount(-1)
        problems = [each for each in inspection.problems if each.path[:2] == path]
        of_tag = [each.text for each in problems if _is_of_tag(each)]
        help_ = inspection.help.get((*path, "tag"), ValueHelp())
        yield LevelRow(
            index,
            str(level.get("tag") or ""),
            show_values(root.children[0], t)[0] if is_ladder else "",
            node_view(root, prefix=(*path, "when"), t=t, inspection=inspection, funnel=count.funnel),
            is_bare,
            not index,
            index == len(levels) - 1,
            customers=t.plural("tiers.customers.n", count.customers) if count.customers >= 0 else "",
            tag_error=next(iter(of_tag), ""),
            tag_known=tag_text(help_, t),
            tag_offers=tuple(each.value for each in help_.offers),
            error=next((each.text for each in problems if not _is_of_tag(each)), "") if is_ladder else "",
        )


def _is_of_tag(problem: Problem) -> bool:
    return problem.part == "tag" or problem.path[-1] == "tag"


def ladder_field(levels: Sequence[Mapping[str, Any]]) -> str:
    """The number that every level compares with `at_least`; "" if they are no ladder."""
    whens = [level.get("when") for level in levels]
    fields = {
        str(when.get("field")) if isinstance(when, Mapping) and when.get("op") == "at_least" else ""
        for when in whens
    }
    return next(iter(fields)) if len(fields) == 1 and fields <= {*NUMBERS} else ""


def make_moves(shop: Shop, tier_id: str, moves: tuple[TierPreview, Mapping[int, str]] | None) -> Moves:
    """The moves as a table: a row for each level that somebody leaves."""
    if moves is None:
        return Moves(shop, tier_id)
    preview, people = moves
    names = [*preview.levels, ""]
    cells: dict[tuple[str, str], MoveCell] = {}
    for move in preview.moves:
        source, target = move.source or "", move.target or ""
        known = cells.get((source, target), MoveCell(target))
        cells[source, target] = MoveCell(
            target,
            known.customers + move.customers,
            known.waiting + move.customers * move.waits,
            names.index(target) > names.index(source),
            (*known.samples, *((each, people.get(each, "")) for each in move.samples))[:5],
        )
    rows = tuple(
        MoveRow(source, tuple(cells.get((source, target), MoveCell(target)) for target in names))
        for source in names
        if any(source == each for each, _ in cells)
    )
    return Moves(shop, tier_id, tuple(names), rows)
