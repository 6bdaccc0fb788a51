"""The rule editor: the form of one rule, saved into the draft while somebody types, with its effect beside it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from service.domain.access import Role
from service.domain.customers import CustomerId
from service.domain.documents import InvalidRules, validate_rules
from service.domain.explain import describe
from service.errors import NotFound
from service.publishing import editor
from service.publishing.editor import EditConflict, Inspection, TriedCustomer
from service.store.shops import Shop
from service.store.working_copies import WorkingCopy
from service.web.pages.rules import tiers
from service.web.pages.rules.entry import (
    NodeView,
    RuleFields,
    field_errors,
    field_options,
    node_view,
    read_entry,
    read_fields,
    root_of,
)
from service.web.pages.rules.tree import change, read_node, root_to_data
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit, parse_count

MAX_EDITOR_ID: Final = 32


@dataclass(frozen=True, slots=True)
class Editor:
    """The form of one rule. `base`: what it was loaded as; `editor_id`: this open form."""

    shop: Shop
    fields: RuleFields
    root: NodeView
    is_bare: bool
    inspection: Inspection
    errors: Mapping[str, str]
    field_names: tuple[tuple[str, str], ...]
    base: str
    editor_id: str
    saved_ms: int
    saved_by: str
    is_new: bool
    is_changed: bool
    path: str
    tried: TriedCustomer | None = None
    try_error: str = ""
    try_text: str = ""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two people saved the same rule: both in words, and what was posted, to send it again."""

    path: str
    by: str
    mine: str
    theirs: str
    fields: tuple[tuple[str, str], ...] = field(default=())


async def show_rule(visit: Visit) -> View | Redirect:
    """The editor of a rule or tier."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    kind, _, _ = editor.entry_of(copy.document, visit.path["id"])
    if kind == "tiers":
        return await tiers.show(visit, shop, copy)
    return await _editor(visit, shop, copy)


async def save_rule(visit: Visit) -> View | Redirect:
    """Save the whole form, after the button that was pressed: add, delete or move a condition."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    kind, _, stored = editor.entry_of(copy.document, visit.path["id"])
    if kind == "tiers":
        return await tiers.save(visit, shop, copy)
    entry, focus = read_entry(visit.form, stored), ""
    if do := visit.posted("do"):
        root, focus = change(read_node(visit.form), do)
        entry["when"] = root_to_data(root, is_bare=bool(visit.posted("bare")))
    try:
        copy = await editor.save_entry(
            visit.context,
            shop,
            visit.path["id"],
            entry,
            by=visit.by,
            editor=visit.posted("editor_id")[:MAX_EDITOR_ID],
            base=visit.posted("base"),
            force=bool(visit.posted("force")),
        )
    except EditConflict as exc:
        return _conflict(visit, shop, copy, entry, exc)
    if not visit.is_partial:
        if visit.posted("next") == "publish":
            return Redirect(f"/shops/{shop.org}/rules/publish")
        path = _path(shop, visit.path["id"])
        return Redirect(f"{path}#{focus}" if focus else path, None if do else Notice("notice.draft_saved"))
    part = "rules/typed.html" if visit.posted("part") == "panel" else "rules/form.html"
    return await _editor(visit, shop, copy, template=part, focus=focus)


async def try_rule(visit: Visit) -> View | Redirect:
    """What the draft of this rule decides for one customer."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    editor.entry_of(copy.document, visit.path["id"])
    text = visit.posted("customer")
    number, tried, error = parse_count(text.removeprefix("#")), None, ""
    if not number:
        error = visit.t("rules.try.error")
    else:
        try:
            tried = await visit.cpu.run(
                editor.try_customer,
                shop.org,
                copy.document,
                visit.path["id"],
                CustomerId(number),
                visit.language,
            )
        except NotFound:
            error = visit.t("rules.try.unknown", customer=str(number))
    template = "rules/tried.html" if visit.is_partial else "rules/edit.html"
    return await _editor(visit, shop, copy, template=template, tried=tried, try_error=error, try_text=text)


async def remove_rule(visit: Visit) -> View | Redirect:
    """Switch a rule or tier off or on in the draft, or delete it from the draft."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    entry_id = visit.path["id"]
    _, _, stored = editor.entry_of(copy.document, entry_id)
    entry: dict[str, Any] | None
    match visit.posted("how"):
        case "on":
            entry = {**stored, "enabled": True}
        case "off_keep":
            entry = {**stored, "enabled": False, "when_gone": "leave"}
        case "off_remove":
            entry = {**stored, "enabled": False, "when_gone": "remove"}
        case "delete":
            entry = None
        case _:
            return Redirect(_path(shop, entry_id))
    await editor.save_entry(visit.context, shop, entry_id, entry, by=visit.by, editor="", base="", force=True)
    return Redirect(f"/shops/{shop.org}/rules", Notice("notice.draft_saved"))


def _path(shop: Shop, entry_id: str) -> str:
    return f"/shops/{shop.org}/rules/{entry_id}/edit"


async def _editor(
    visit: Visit,
    shop: Shop,
    copy: WorkingCopy,
    *,
    template: str = "rules/edit.html",
    focus: str = "",
    tried: TriedCustomer | None = None,
    try_error: str = "",
    try_text: str = "",
) -> View:
    entry_id = visit.path["id"]
    _, _, entry = editor.entry_of(copy.document, entry_id)
    inspection = await visit.cpu.run(editor.inspect, shop.org, copy.document, entry_id, visit.language)
    live = await editor.live_document(visit.context, shop, copy.parent)
    root, is_bare = root_of(entry)
    fields = read_fields(entry)
    live_entry = next((each for each in live["rules"] if each["id"] == entry_id), None)
    model = Editor(
        shop=shop,
        fields=fields,
        root=node_view(root, t=visit.t, inspection=inspection),
        is_bare=is_bare,
        inspection=inspection,
        errors=field_errors(inspection.problems),
        field_names=field_options(visit.t),
        base=editor.base_of(entry),
        editor_id=visit.posted("editor_id")[:MAX_EDITOR_ID] or secrets.token_hex(8),
        saved_ms=copy.at_ms,
        saved_by=copy.by,
        is_new=live_entry is None,
        is_changed=live_entry != entry,
        path=_path(shop, entry_id),
        tried=tried,
        try_error=try_error,
        try_text=try_text,
    )
    title = (fields.name_en if visit.language == "en" else "") or fields.name_vi or entry_id
    headers = (
        {"HX-Trigger-After-Settle": msgspec.json.encode({"focusOn": focus}).decode()}
        if focus and visit.is_partial
        else {}
    )
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)
    return View(template, model, title, crumbs, headers=headers, status=422 if try_error else 200)


def _conflict(
    visit: Visit, shop: Shop, copy: WorkingCopy, mine: dict[str, Any], exc: EditConflict
) -> View | Redirect:
    """Both versions side by side. htmx loads the page, which the browser then shows as a whole."""
    posted = tuple(
        (name, value)
        for name, value in visit.form.multi_items()
        if isinstance(value, str) and name not in ("form_token", "do", "part", "force")
    )
    model = Conflict(
        _path(shop, visit.path["id"]),
        exc.by,
        in_words(visit, copy, mine),
        in_words(visit, copy, exc.theirs),
        posted,
    )
    headers = {"HX-Retarget": "#editor", "HX-Reswap": "innerHTML"} if visit.is_partial else {}
    template = "rules/conflict_part.html" if visit.is_partial else "rules/conflict.html"
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)
    return View(template, model, visit.t("rules.conflict.title"), crumbs, status=409, headers=headers)


def in_words(visit: Visit, copy: WorkingCopy, entry: Mapping[str, Any] | None) -> str:
    """The conditions of a draft's rule as a sentence."""
    if entry is None:
        return visit.t("rules.conflict.deleted")
    frame = {key: copy.document[key] for key in ("timezone", "currency") if key in copy.document}
    try:
        rule = validate_rules({**frame, "rules": [dict(entry)]}).rules[0]
    except InvalidRules as exc:
        return visit.t.plural("rules.problems", len(exc.problems))
    currency = str(copy.document.get("currency", "VND"))
    return f"{rule.tag}: {describe(rule.when, translator=visit.t, currency=currency)}"


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/{id}/edit", show_rule, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/{id}/edit", save_rule, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/{id}/try", try_rule, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/{id}/remove", remove_rule, Role.MARKETER),
)
