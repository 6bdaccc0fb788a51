"""The draft that people share: undo and redo, who edits which rule, and what happens when two save the same one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from service.domain.access import Role
from service.publishing import editor
from service.publishing.editor import ComparedLine, EditConflict
from service.store import working_copies
from service.store.shops import Shop
from service.store.working_copies import Editing, WorkingCopy
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit

MAX_EDITOR_ID: Final = 32
NOT_SENT_AGAIN: Final = frozenset({"form_token", "do", "part", "force", "next"})


@dataclass(frozen=True, slots=True)
class EditorFrame:
    """What stands around the editor of a rule or tier, as a form and as YAML.

    `base`: what it was loaded as; `editor_id`: this open form; `others`: who else has it open. `undo_label` names the
    rule that the next undo changes, if it is another one.
    """

    shop: Shop
    id: str
    kind: str
    name: str
    enabled: bool
    path: str
    tab: str
    base: str
    editor_id: str
    saved_ms: int
    saved_by: str
    may_undo: bool
    may_redo: bool
    undo_label: str
    others: tuple[Editing, ...]

    @property
    def form_path(self) -> str:
        """Where the form is, and where it is posted to."""
        return f"{self.path}/edit"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two people saved the same rule: both versions side by side, and what was posted, to send it again."""

    path: str
    by: str
    is_deleted: bool
    lines: tuple[ComparedLine, ...]
    fields: tuple[tuple[str, str], ...]


async def load_frame(visit: Visit, shop: Shop, copy: WorkingCopy, *, tab: str = "form") -> EditorFrame:
    """The frame of an editor. It notes that the visitor has the editor open. Raises NotFound."""
    entry_id = visit.path["id"]
    kind, _, entry = editor.entry_of(copy.document, entry_id)
    editor_id = visit.posted("editor_id")[:MAX_EDITOR_ID] or secrets.token_hex(8)
    others = await _note_editing(visit, shop, editor_id)
    undos, redos = await working_copies.count_steps(visit.context.redis, shop.org)
    return EditorFrame(
        shop=shop,
        id=entry_id,
        kind=kind,
        name=name_of(entry, visit.language),
        enabled=bool(entry.get("enabled", True)),
        path=f"/shops/{shop.org}/rules/{entry_id}",
        tab=tab,
        base=editor.base_of(entry),
        editor_id=editor_id,
        saved_ms=copy.at_ms,
        saved_by=copy.by,
        may_undo=undos > 0,
        may_redo=redos > 0,
        undo_label=_undo_label(visit, copy),
        others=others,
    )


def name_of(entry: dict[str, Any], language: str) -> str:
    """The name of a draft's rule in this language, else in the other one, else its id."""
    name = entry.get("name")
    if isinstance(name, dict):
        first, second = ("en", "vi") if language == "en" else ("vi", "en")
        name = name.get(first) or name.get(second)
    return str(name or entry["id"])


def crumbs_to(visit: Visit, shop: Shop) -> tuple[Crumb, ...]:
    """The way back to the list."""
    return (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)


async def show_editing(visit: Visit) -> View | Redirect:
    """Who else edits the same rule: an open editor asks again and again."""
    shop = await visit.context.shops.describe(visit.org)
    copy = await editor.open_copy(visit.context, shop)
    editor.entry_of(copy.document, visit.path["id"])
    editor_id = visit.query.get("editor", "")[:MAX_EDITOR_ID]
    others = await _note_editing(visit, shop, editor_id) if editor_id else ()
    return View("editors/others.html", others, visit.t("rules.title"))


async def undo_draft(visit: Visit) -> View | Redirect:
    """Restore the draft before the last save."""
    shop = await visit.context.shops.describe(visit.org)
    restored = await editor.undo(visit.context, shop.org, by=visit.by)
    return _step_back(visit, shop, restored, "notice.undone", "notice.nothing_to_undo")


async def redo_draft(visit: Visit) -> View | Redirect:
    """Restore the draft before the last undo."""
    shop = await visit.context.shops.describe(visit.org)
    restored = await editor.redo(visit.context, shop.org, by=visit.by)
    return _step_back(visit, shop, restored, "notice.redone", "notice.nothing_to_redo")


async def discard_draft(visit: Visit) -> View | Redirect:
    """Throw the draft away."""
    shop = await visit.context.shops.describe(visit.org)
    await editor.discard(visit.context, shop, by=visit.by)
    return Redirect(f"/shops/{shop.org}/rules", Notice("notice.draft_discarded"))


async def keep_draft(visit: Visit) -> View | Redirect:
    """Keep the draft although another version went live since it began."""
    shop = await visit.context.shops.describe(visit.org)
    await editor.use_live_parent(visit.context, shop, by=visit.by)
    return Redirect(f"/shops/{shop.org}/rules/publish")


async def show_conflict(
    visit: Visit,
    shop: Shop,
    copy: WorkingCopy,
    mine: dict[str, Any],
    exc: EditConflict,
    *,
    kind: str,
    path: str,
) -> View:
    """Both versions side by side. `path` is where the form was posted to."""
    lines = await visit.cpu.run(editor.compare_entries, copy.document, kind, mine, exc.theirs, visit.language)
    fields = tuple(
        (name, value)
        for name, value in visit.form.multi_items()
        if isinstance(value, str) and name not in NOT_SENT_AGAIN
    )
    model = Conflict(path, exc.by, exc.theirs is None, lines, fields)
    headers = {"HX-Retarget": "#editor", "HX-Reswap": "innerHTML"} if visit.is_partial else {}
    template = "editors/conflict_part.html" if visit.is_partial else "editors/conflict.html"
    title = visit.t("rules.conflict.title")
    return View(template, model, title, crumbs_to(visit, shop), status=409, headers=headers)


def _step_back(
    visit: Visit, shop: Shop, restored: WorkingCopy | None, done: str, nothing: str
) -> View | Redirect:
    """Back to where the button was. A rule that the restored draft does not have leads to the list."""
    rule_id, tab = visit.posted("rule"), visit.posted("tab")
    document = restored.document if restored is not None else {}
    ids = [each["id"] for kind in editor.KINDS for each in document.get(kind, ())]
    page = "yaml" if tab == "yaml" else "edit"
    path = f"/shops/{shop.org}/rules" + (f"/{rule_id}/{page}" if rule_id in ids else "")
    return Redirect(path, Notice(done if restored is not None else nothing))


def _undo_label(visit: Visit, copy: WorkingCopy) -> str:
    for kind in editor.KINDS:
        for entry in copy.document.get(kind, ()):
            if entry["id"] == copy.entry != visit.path["id"]:
                return visit.t("rules.undo_of", name=name_of(entry, visit.language))
    return visit.t("rules.undo")


async def _note_editing(visit: Visit, shop: Shop, editor_id: str) -> tuple[Editing, ...]:
    """Note that this editor is open. Returns the others who edit the same rule, each person once."""
    redis, entry_id, now_ms = visit.context.redis, visit.path["id"], await visit.context.now_ms()
    await working_copies.note_editing(
        redis, shop.org, editor_id, entry=entry_id, by=visit.by.name, at_ms=now_ms
    )
    editing = await working_copies.list_editing(redis, shop.org, now_ms=now_ms)
    others: dict[str, Editing] = {}
    for each in editing:
        if each.entry == entry_id and each.by != visit.by.name:
            others.setdefault(each.by, each)
    return tuple(others.values())


PAGES: Final = (
    Page("GET", "/shops/{org}/rules/{id}/editing", show_editing, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/draft/undo", undo_draft, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/draft/redo", redo_draft, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/draft/discard", discard_draft, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/draft/keep", keep_draft, Role.MARKETER),
)
