"""The same rule as YAML, saved into the draft when it is valid, with every error at its line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.publishing import editor
from service.publishing.editor import EditConflict, SourceError
from service.store.shops import Shop
from service.store.working_copies import WorkingCopy
from service.web.pages.editors.drafts import (
    MAX_EDITOR_ID,
    EditorFrame,
    crumbs_to,
    load_frame,
    show_conflict,
)
from service.web.pages.editors.entry import Panel, make_panel
from service.web.pages.shell import Notice, Page, Redirect, View, Visit

MAX_TEXT: Final = 64 * 1024
MAX_BESIDE: Final = 40
_WORD: Final = re.compile(r"[^\s,:\]}]+")


@dataclass(frozen=True, slots=True)
class ShownError:
    """An error of the text. `before`, `wrong` and `after` are its line, cut around the word that is wrong."""

    line: int
    column: int
    text: str
    before: str
    wrong: str
    after: str


@dataclass(frozen=True, slots=True)
class SourceEditor:
    """The YAML of a rule or tier. With `errors`, the draft is still as it was before this text."""

    frame: EditorFrame
    panel: Panel
    text: str
    lines: int
    errors: tuple[ShownError, ...]


async def show_source(visit: Visit) -> View | Redirect:
    """A rule or tier of the draft as YAML."""
    shop = await visit.context.shops.describe(visit.org)
    return await _source(visit, shop, await editor.open_copy(visit.context, shop))


async def save_source(visit: Visit) -> View | Redirect:
    """Save the text into the draft. A text with errors changes nothing, and stays in the form."""
    shop = await visit.context.shops.describe(visit.org)
    copy, entry_id = await editor.open_copy(visit.context, shop), visit.path["id"]
    kind, _, _ = editor.entry_of(copy.document, entry_id)
    text = str(visit.form.get("text", "")).replace("\r\n", "\n")[: MAX_TEXT + 1]
    parsed = await visit.cpu.run(editor.parse_entry_text, copy.document, entry_id, text, visit.language)
    if parsed.data is None:
        return await _source(visit, shop, copy, text=text, errors=parsed.errors)
    path = f"/shops/{shop.org}/rules/{entry_id}"
    try:
        copy = await editor.save_entry(
            visit.context,
            shop,
            entry_id,
            parsed.data,
            by=visit.by,
            editor=visit.posted("editor_id")[:MAX_EDITOR_ID],
            base=visit.posted("base"),
            force=bool(visit.posted("force")),
        )
    except EditConflict as exc:
        return await show_conflict(visit, shop, copy, parsed.data, exc, kind=kind, path=f"{path}/yaml")
    if visit.is_partial:
        return await _source(visit, shop, copy, text=text)
    match visit.posted("next"):
        case "form":
            return Redirect(f"{path}/edit")
        case "publish":
            return Redirect(f"/shops/{shop.org}/rules/publish")
    return Redirect(f"{path}/yaml", Notice("notice.draft_saved"))


def show_errors(errors: tuple[SourceError, ...]) -> tuple[ShownError, ...]:
    """The errors with their lines, at most 40 characters on each side of the wrong word."""
    return tuple(
        ShownError(each.line, each.column, each.text, *_cut(each.line_text, max(0, each.column - 1)))
        for each in errors
    )


def _cut(line: str, at: int) -> tuple[str, str, str]:
    before, rest = line[:at].lstrip(), line[at:]
    word = _WORD.match(rest)
    wrong, after = (rest[: word.end()], rest[word.end() :]) if word is not None else (rest[:1], rest[1:])
    return (
        f"…{before[-MAX_BESIDE:]}" if len(before) > MAX_BESIDE else before,
        wrong[:MAX_BESIDE],
        f"{after[:MAX_BESIDE]}…" if len(after) > MAX_BESIDE else after,
    )


async def _source(
    visit: Visit,
    shop: Shop,
    copy: WorkingCopy,
    *,
    text: str | None = None,
    errors: tuple[SourceError, ...] = (),
) -> View:
    entry_id = visit.path["id"]
    _, _, entry = editor.entry_of(copy.document, entry_id)
    frame = await load_frame(visit, shop, copy, tab="yaml")
    inspection = await visit.cpu.run(editor.inspect, shop.org, copy.document, entry_id, visit.language)
    if text is None:
        text = await visit.cpu.run(editor.format_entry, copy.document, entry_id)
    links = tuple(("source", each.text) for each in inspection.problems)
    model = SourceEditor(
        frame, make_panel(frame, entry, inspection, links), text, text.count("\n") + 1, show_errors(errors)
    )
    template = "editors/source_typed.html" if visit.is_partial else "editors/source.html"
    status = 422 if errors else 200
    return View(template, model, frame.name, crumbs_to(visit, shop), status=status)


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/{id}/yaml", show_source, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/{id}/yaml", save_source, Role.MARKETER),
)
