"""What is done with a rule as a whole: duplicate it, switch it off or on, delete it, see which versions changed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from service.domain.access import Role
from service.errors import NotFound
from service.publishing import editor
from service.publishing.editor import RuleVersion
from service.store.shops import Shop
from service.web.pages.editors.drafts import crumbs_to, name_of
from service.web.pages.shell import Notice, Page, Redirect, View, Visit


@dataclass(frozen=True, slots=True)
class Removal:
    """What becomes of the tags. `owners` are the customers with a tag that the rule added.

    `when_gone` is that of the live rule: it decides once the draft without the rule is published. It is empty if the
    rule was never published, and then `owners` is 0.
    """

    shop: Shop
    id: str
    name: str
    tags: tuple[str, ...]
    enabled: bool
    owners: int
    when_gone: str


@dataclass(frozen=True, slots=True)
class RuleHistory:
    """The published versions that changed a rule, the newest first."""

    shop: Shop
    id: str
    name: str
    rows: tuple[RuleVersion, ...]
    is_in_draft: bool


async def duplicate_rule(visit: Visit) -> View | Redirect:
    """Add a copy of a rule or tier to the draft, under another name and with other tags."""
    shop = await visit.context.shops.describe(visit.org)
    suffix = visit.t("rules.copy_suffix")
    entry_id = await editor.duplicate_entry(
        visit.context, shop, visit.path["id"], by=visit.by, suffix=f" {suffix}"
    )
    return Redirect(f"/shops/{shop.org}/rules/{entry_id}/edit", Notice("notice.duplicated"))


async def show_removal(visit: Visit) -> View | Redirect:
    """How many tags stay or go if the rule is switched off or deleted."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    entry_id = visit.path["id"]
    _, _, entry = editor.entry_of(copy.document, entry_id)
    live = await editor.live_document(visit.context, shop, copy.parent)
    try:
        when_gone = str(editor.entry_of(live, entry_id)[2].get("when_gone", "leave"))
    except NotFound:
        when_gone = ""
    owners = await visit.cpu.run(editor.count_owners, shop.org, entry_id)
    tags = [entry.get("tag"), *(level.get("tag") for level in entry.get("levels", ()))]
    model = Removal(
        shop,
        entry_id,
        name_of(entry, visit.language),
        tuple(str(tag) for tag in tags if tag),
        bool(entry.get("enabled", True)),
        owners,
        when_gone,
    )
    title = visit.t("rules.remove.title", name=model.name)
    return View("editors/removal.html", model, title, crumbs_to(visit, shop))


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
            return Redirect(f"/shops/{shop.org}/rules/{entry_id}/remove")
    await editor.save_entry(visit.context, shop, entry_id, entry, by=visit.by, editor="", base="", force=True)
    return Redirect(f"/shops/{shop.org}/rules", Notice(f"notice.rule.{visit.posted('how')}"))


async def show_rule_history(visit: Visit) -> View | Redirect:
    """The published versions that changed a rule."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    entry_id = visit.path["id"]
    rows = await visit.cpu.run(editor.rule_history, shop.org, entry_id, visit.language)
    try:
        name, is_in_draft = name_of(editor.entry_of(copy.document, entry_id)[2], visit.language), True
    except NotFound:
        if not rows:
            raise
        name, is_in_draft = rows[0].change.title, False
    model = RuleHistory(shop, entry_id, name, rows, is_in_draft)
    title = visit.t("rules.history.title", name=name)
    return View("editors/rule_history.html", model, title, crumbs_to(visit, shop))


PAGES: Final = (
    Page("POST", "/shops/{org}/rules/{id}/duplicate", duplicate_rule, Role.MARKETER),
    Page("GET", "/shops/{org}/rules/{id}/remove", show_removal, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/{id}/remove", remove_rule, Role.MARKETER),
    Page("GET", "/shops/{org}/rules/{id}/history", show_rule_history, Role.VIEWER),
)
