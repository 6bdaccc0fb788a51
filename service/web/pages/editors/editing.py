"""The editor of a rule or tier as a form, saved into the draft while somebody types, with its effect beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service.domain.access import Role
from service.domain.customers import CustomerId
from service.errors import NotFound
from service.publishing import editor
from service.publishing.editor import EditConflict, ValueHelp
from service.store.shops import Shop
from service.store.working_copies import WorkingCopy
from service.web.pages.editors import tiers
from service.web.pages.editors.drafts import (
    MAX_EDITOR_ID,
    EditorFrame,
    crumbs_to,
    load_frame,
    show_conflict,
)
from service.web.pages.editors.entry import (
    NO_TRIAL,
    Panel,
    RuleFields,
    Trial,
    field_errors,
    make_panel,
    read_entry,
    read_fields,
    root_of,
)
from service.web.pages.editors.nodes import NodeView, field_options, node_view, tag_text
from service.web.pages.editors.tree import change, read_node, root_to_data
from service.web.pages.shell import Notice, Page, Redirect, View, Visit, parse_count

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RuleEditor:
    """The form of one rule."""

    frame: EditorFrame
    panel: Panel
    fields: RuleFields
    root: NodeView
    is_bare: bool
    errors: Mapping[str, str]
    field_names: tuple[tuple[str, str], ...]
    tag_known: str
    tag_offers: tuple[str, ...]
    trial: Trial

    @property
    def roots(self) -> tuple[NodeView, ...]:
        """The trees of the form."""
        return (self.root,)


async def show_editor(visit: Visit) -> View | Redirect:
    """The editor of a rule or tier."""
    shop = await visit.context.shops.describe(visit.org)
    return await _editor(visit, shop, await editor.open_copy(visit.context, shop))


async def save_editor(visit: Visit) -> View | Redirect:
    """Save the whole form, after the button that was pressed: add, delete or move a condition."""
    shop = await visit.context.shops.describe(visit.org)
    copy, entry_id = await editor.open_copy(visit.context, shop), visit.path["id"]
    kind, stored = _stored(visit, copy)
    entry, focus = _read(visit, kind, stored or {"id": entry_id, "enabled": True})
    path = f"/shops/{shop.org}/rules/{entry_id}"
    try:
        copy = await _save(visit, shop, kind, stored, entry)
    except EditConflict as exc:
        return await show_conflict(visit, shop, copy, entry, exc, kind=kind, path=f"{path}/edit")
    if visit.is_partial:
        return await _editor(visit, shop, copy, part=visit.posted("part"), focus=focus)
    match visit.posted("next"):
        case "publish":
            return Redirect(f"/shops/{shop.org}/rules/publish")
        case "yaml":
            return Redirect(f"{path}/yaml")
    notice = None if visit.posted("do") else Notice("notice.draft_saved")
    return Redirect(f"{path}/edit#{focus}" if focus else f"{path}/edit", notice)


async def show_moves(visit: Visit) -> View | Redirect:
    """Who moves between the levels of a tier."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    moves = await visit.cpu.run(
        editor.compare_tier, shop.org, copy.document, visit.path["id"], visit.language
    )
    template = "editors/moves_part.html" if visit.is_partial else "editors/moves.html"
    model = tiers.make_moves(shop, visit.path["id"], moves)
    return View(template, model, visit.t("tiers.moves"), crumbs_to(visit, shop))


async def try_rule(visit: Visit) -> View | Redirect:
    """What the draft of this rule decides for one customer."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    entry_id = visit.path["id"]
    editor.entry_of(copy.document, entry_id)
    text = visit.posted("customer")
    number = parse_count(text.removeprefix("#"))
    if not number:
        return await _editor(visit, shop, copy, part="tried", trial=Trial(text, visit.t("rules.try.error")))
    try:
        tried = await visit.cpu.run(
            editor.try_customer, shop.org, copy.document, entry_id, CustomerId(number), visit.language
        )
    except NotFound:
        error = visit.t("rules.try.unknown", customer=str(number))
        return await _editor(visit, shop, copy, part="tried", trial=Trial(text, error))
    return await _editor(visit, shop, copy, part="tried", trial=Trial(text, tried=tried))


def _stored(visit: Visit, copy: WorkingCopy) -> tuple[str, Entry | None]:
    """The list and the data of the rule, which is None if somebody has deleted it since the form was loaded."""
    try:
        kind, _, stored = editor.entry_of(copy.document, visit.path["id"])
    except NotFound:
        kind = visit.posted("kind")
        if kind not in editor.KINDS:
            raise
        return kind, None
    return kind, stored


def _read(visit: Visit, kind: str, stored: Entry) -> tuple[Entry, str]:
    """The rule or tier that the form posted, after the button, and the id of the element to focus."""
    do = visit.posted("do")
    if kind == "tiers":
        return tiers.read_tier(visit.form, stored, do)
    entry = read_entry(visit.form, stored)
    if do.startswith("tag::"):
        return entry | {"tag": do.removeprefix("tag::")}, "tag"
    if not do:
        return entry, ""
    root, focus = change(read_node(visit.form), do)
    return entry | {"when": root_to_data(root, is_bare=bool(visit.posted("bare")))}, focus


async def _save(visit: Visit, shop: Shop, kind: str, stored: Entry | None, entry: Entry) -> WorkingCopy:
    """Save into the draft. A rule that was deleted meanwhile comes back if its author insists. Raises EditConflict."""
    force = bool(visit.posted("force"))
    if stored is None:
        copy = await editor.open_copy(visit.context, shop)
        if not force:
            raise EditConflict(None, copy.by)
        await editor.add_entry(visit.context, shop, kind, entry, by=visit.by)
        return await editor.open_copy(visit.context, shop)
    return await editor.save_entry(
        visit.context,
        shop,
        visit.path["id"],
        entry,
        by=visit.by,
        editor=visit.posted("editor_id")[:MAX_EDITOR_ID],
        base=visit.posted("base"),
        force=force,
    )


async def _editor(
    visit: Visit,
    shop: Shop,
    copy: WorkingCopy,
    *,
    part: str = "",
    focus: str = "",
    trial: Trial = NO_TRIAL,
) -> View:
    entry_id = visit.path["id"]
    kind, _, entry = editor.entry_of(copy.document, entry_id)
    frame = await load_frame(visit, shop, copy)
    inspection = await visit.cpu.run(editor.inspect, shop.org, copy.document, entry_id, visit.language)
    model: RuleEditor | tiers.TierEditor
    if kind == "tiers":
        model = tiers.make_editor(frame, entry, inspection, t=visit.t, trial=trial)
        templates = {"panel": "editors/tier_typed.html", "form": "editors/tier_form.html"}
        whole = "editors/tier.html"
    else:
        root, is_bare = root_of(entry)
        funnel = inspection.effect.funnel if inspection.effect is not None else ()
        tree = node_view(root, prefix=("when",), t=visit.t, inspection=inspection, funnel=funnel)
        errors, tag = field_errors(inspection.problems), inspection.help.get(("tag",), ValueHelp())
        model = RuleEditor(
            frame=frame,
            panel=make_panel(frame, entry, inspection, (*errors.items(), *tree.links())),
            fields=read_fields(entry),
            root=tree,
            is_bare=is_bare,
            errors=errors,
            field_names=field_options(visit.t),
            tag_known=tag_text(tag, visit.t),
            tag_offers=tuple(each.value for each in tag.offers),
            trial=trial,
        )
        templates = {"panel": "editors/typed.html", "form": "editors/form.html"}
        whole = "editors/edit.html"
    headers = (
        {"HX-Trigger-After-Settle": msgspec.json.encode({"focusOn": focus}).decode()}
        if focus and visit.is_partial
        else {}
    )
    templates["tried"] = "editors/tried.html"
    template = templates.get(part, templates["form"]) if visit.is_partial else whole
    status = 422 if trial.error else 200
    return View(template, model, frame.name, crumbs_to(visit, shop), headers=headers, status=status)


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/{id}/edit", show_editor, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/{id}/edit", save_editor, Role.MARKETER),
    Page("GET", "/shops/{org}/rules/{id}/moves", show_moves, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/{id}/try", try_rule, Role.MARKETER),
)
