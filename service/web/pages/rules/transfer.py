"""Rules as a file: the draft as YAML to save, and YAML or JSON taken into the draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import UploadFile

from service.domain.access import Role
from service.publishing import editor
from service.store.shops import Shop
from service.web.pages.editors import ShownError, show_errors
from service.web.pages.shell import Crumb, Download, Notice, Page, Redirect, View, Visit

MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Import:
    """The form for a text to import. With `errors`, nothing of it was taken."""

    shop: Shop
    text: str = ""
    lines: int = 12
    is_whole: bool = False
    errors: tuple[ShownError, ...] = ()


async def show_import(visit: Visit) -> View | Redirect:
    """The form for a text or a file."""
    shop = await visit.context.shops.describe(visit.org)
    return _view(visit, Import(shop))


async def import_rules(visit: Visit) -> View | Redirect:
    """Take the rules of a text or a file into the draft. A text with errors changes nothing."""
    shop = await visit.context.shops.describe(visit.org)
    text, is_whole = await _read_text(visit), visit.posted("how") == "whole"
    parsed = await visit.cpu.run(editor.parse_document_text, shop.org, text, visit.language)
    if parsed.data is None:
        shown = text if len(text) <= MAX_BYTES else ""
        lines = max(12, shown.count("\n") + 1)
        return _view(visit, Import(shop, shown, lines, is_whole, show_errors(parsed.errors)), status=422)
    await editor.import_document(visit.context, shop, parsed.data, by=visit.by, is_whole=is_whole)
    count = sum(len(parsed.data.get(kind, ())) for kind in editor.KINDS)
    return Redirect(f"/shops/{shop.org}/rules", Notice("notice.imported", {"n": str(count)}))


async def export_rules(visit: Visit) -> Download | View | Redirect:
    """The draft as YAML, or the live rules if there is no draft."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    text = await visit.cpu.run(editor.format_draft, copy.document)
    return Download(f"rules-{shop.org}.yaml", "application/yaml", text.encode())


async def _read_text(visit: Visit) -> str:
    """The file if there is one, otherwise the text. Bytes that are no UTF-8 are replaced: YAML refuses them there."""
    file = visit.form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        return (await file.read(MAX_BYTES + 1)).decode("utf-8-sig", errors="replace")
    return str(visit.form.get("text", "")).replace("\r\n", "\n")


def _view(visit: Visit, model: Import, *, status: int = 200) -> View:
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{model.shop.org}/rules"),)
    return View("rules/import.html", model, visit.t("rules.import"), crumbs, status=status)


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/import", show_import, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/import", import_rules, Role.MARKETER),
    Page("GET", "/shops/{org}/rules/export", export_rules, Role.VIEWER),
)
