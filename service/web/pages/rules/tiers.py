"""The editor of tiers that follow one number: thresholds from the top, with the customers of each level."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData

from service.domain.explain import Translator
from service.domain.rules import FIELDS, FieldType
from service.publishing import editor
from service.publishing.editor import EditConflict, Inspection
from service.store.shops import Shop
from service.store.working_copies import WorkingCopy
from service.web.pages.rules.tree import read_value, to_node
from service.web.pages.rules.tree import show_values as show_node_values
from service.web.pages.shell import Crumb, Notice, Redirect, View, Visit

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


@dataclass(frozen=True, slots=True)
class LevelRow:
    """A level from the top. `share` is the width of its bar, in parts of 100. `customers` is None if it is not known."""

    index: int
    tag: str
    threshold: str
    customers: int | None
    share: int
    tag_error: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class TierEditor:
    """The form of a tier. `is_ladder`: every level compares the same number; otherwise the conditions are only shown."""

    shop: Shop
    id: str
    name: str
    field: str
    is_money: bool
    is_ladder: bool
    fields: tuple[tuple[str, str], ...]
    downgrade: str
    downgrade_days: str
    levels: tuple[LevelRow, ...]
    without: LevelRow
    sentences: tuple[str, ...]
    inspection: Inspection
    problems: tuple[str, ...]
    base: str
    editor_id: str
    path: str
    enabled: bool


async def show(visit: Visit, shop: Shop, copy: WorkingCopy, *, focus: str = "") -> View:
    """The editor of a tier."""
    entry_id = visit.path["id"]
    _, _, entry = editor.entry_of(copy.document, entry_id)
    inspection = await visit.cpu.run(editor.inspect, shop.org, copy.document, entry_id, visit.language)
    model = make_model(
        shop, entry, inspection, t=visit.t, editor_id=visit.posted("editor_id")[:32] or secrets.token_hex(8)
    )
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)
    template = "rules/tier_form.html" if visit.is_partial else "rules/tier.html"
    headers = {"HX-Trigger-After-Settle": f'{{"focusOn": "{focus}"}}'} if focus and visit.is_partial else {}
    return View(template, model, model.name, crumbs, headers=headers)


async def save(visit: Visit, shop: Shop, copy: WorkingCopy) -> View | Redirect:
    """Save the form into the draft, after the button that was pressed."""
    entry_id = visit.path["id"]
    _, _, stored = editor.entry_of(copy.document, entry_id)
    entry = read_tier(visit.form, stored)
    focus = change_levels(entry, visit.posted("do"))
    try:
        copy = await editor.save_entry(
            visit.context,
            shop,
            entry_id,
            entry,
            by=visit.by,
            editor=visit.posted("editor_id")[:32],
            base=visit.posted("base"),
        )
    except EditConflict as exc:
        path = f"/shops/{shop.org}/rules/{entry_id}/edit"
        return Redirect(path, Notice("notice.tier_conflict", {"by": exc.by}))
    if visit.is_partial:
        return await show(visit, shop, copy, focus=focus)
    if visit.posted("next") == "publish":
        return Redirect(f"/shops/{shop.org}/rules/publish")
    return Redirect(
        f"/shops/{shop.org}/rules/{entry_id}/edit",
        None if visit.posted("do") else Notice("notice.draft_saved"),
    )


def read_tier(form: FormData, original: Mapping[str, Any]) -> dict[str, Any]:
    """The tier that a form posted. Conditions that are no ladder stay as they are."""
    entry = dict(original)

    def text(name: str) -> str:
        value = form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    if not isinstance(entry.get("name"), Mapping):
        entry["name"] = text("name") or entry["id"]
    downgrade = text("downgrade")
    if downgrade == "after":
        days = text("downgrade_days")
        entry["downgrade"] = {"after": f"{days} days" if days.isdigit() else days}
    elif downgrade in ("at_once", "never"):
        entry["downgrade"] = downgrade
    field = text("field")
    if field in NUMBERS and form.get("ladder"):
        tags, amounts = form.getlist("tag"), form.getlist("threshold")
        probe = to_node({"field": field, "op": "at_least"}, path=())
        entry["levels"] = [
            {
                "tag": str(tag).strip(),
                "when": {
                    "field": field,
                    "op": "at_least",
                    "value": read_value(probe.operand_type, [str(amount).strip()]),
                },
            }
            for tag, amount in zip(tags, amounts, strict=False)
        ][:MAX_LEVELS]
    return entry


def change_levels(entry: dict[str, Any], do: str) -> str:
    """Apply a button: `add`, `del:1`, `up:1`, `down:1`. Returns the id of the element to focus."""
    action, _, at = do.partition(":")
    levels = [*entry.get("levels", ())]
    index = int(at) if at.isdigit() and int(at) < len(levels) else -1
    focus = ""
    if action == "add" and levels and len(levels) < MAX_LEVELS:
        levels.append({"tag": "", "when": {**levels[-1]["when"], "value": None}})
        focus = f"tag-{len(levels) - 1}"
    elif action == "del" and index >= 0 and len(levels) > 1:
        del levels[index]
        focus = f"del-{min(index, len(levels) - 1)}"
    elif action in ("up", "down") and index >= 0:
        other = index - 1 if action == "up" else index + 1
        if 0 <= other < len(levels):
            levels[index], levels[other] = levels[other], levels[index]
            focus = f"{action}-{other}"
    entry["levels"] = levels
    return focus


def make_model(
    shop: Shop, entry: Mapping[str, Any], inspection: Inspection, *, t: Translator, editor_id: str
) -> TierEditor:
    """The form of a draft's tier."""
    levels = [*entry.get("levels", ())]
    field = ladder_field(levels)
    counts = inspection.levels
    most = max(counts, default=0) or 1
    errors = {each.path[1]: each for each in inspection.problems if each.path[:1] == ("levels",)}
    rows = []
    for index, level in enumerate(levels):
        node = to_node(level.get("when"), path=())
        problem = errors.get(index)
        is_tag = problem is not None and (problem.part == "tag" or problem.path[-1] == "tag")
        rows.append(
            LevelRow(
                index,
                str(level.get("tag", "")),
                show_node_values(node, t)[0] if field else "",
                counts[index] if index < len(counts) else None,
                round(100 * counts[index] / most) if index < len(counts) else 0,
                tag_error=problem.text if problem is not None and is_tag else "",
                error=problem.text if problem is not None and not is_tag else "",
            )
        )
    name = entry.get("name") or entry["id"]
    if isinstance(name, Mapping):
        name = name.get(t.language) or name.get("vi") or name.get("en") or entry["id"]
    downgrade = entry.get("downgrade", "at_once")
    after = str(downgrade.get("after", "")) if isinstance(downgrade, Mapping) else ""
    return TierEditor(
        shop=shop,
        id=str(entry["id"]),
        name=str(name),
        field=field or "total_spent",
        is_money=FIELDS[field or "total_spent"].type is FieldType.MONEY,
        is_ladder=bool(field),
        fields=tuple((each, t(f"field.{each}")) for each in NUMBERS),
        downgrade="after" if after else str(downgrade),
        downgrade_days=after.removesuffix(" days") or "90",
        levels=tuple(rows),
        without=LevelRow(
            len(rows),
            "",
            rows[-1].threshold if rows else "",
            counts[-1] if counts else None,
            round(100 * counts[-1] / most) if counts else 0,
        ),
        sentences=inspection.details,
        inspection=inspection,
        problems=tuple(each.text for each in inspection.problems),
        base=editor.base_of(dict(entry)),
        editor_id=editor_id,
        path=f"/shops/{shop.org}/rules/{entry['id']}/edit",
        enabled=bool(entry.get("enabled", True)),
    )


def ladder_field(levels: list[dict[str, Any]]) -> str:
    """The number that every level compares with `at_least`; "" if they are no ladder."""
    fields = {
        str(level["when"].get("field")) if level.get("when", {}).get("op") == "at_least" else ""
        for level in levels
    }
    return next(iter(fields)) if len(fields) == 1 and fields <= {*NUMBERS} else ""
