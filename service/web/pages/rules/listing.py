"""The list of rules with their state in the draft, the gallery of templates, and the draft as a whole: undo, discard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.domain.access import Role
from service.domain.documents import InvalidRules, validate_rules
from service.domain.explain import Translator, describe, describe_levels
from service.errors import NotFound
from service.publishing import editor
from service.sentence import Sentence
from service.store import working_copies
from service.store.shops import Shop
from service.store.working_copies import WorkingCopy
from service.web.pages.rules.templates import BY_KEY, TEMPLATES, Template
from service.web.pages.rules.tiers import NEW_TIER
from service.web.pages.shell import Crumb, Notice, Page, Redirect, Section, View, Visit

CHANGED: Final = ("new", "changed", "deleted")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule or tier of the draft. `state`: live, new, changed, deleted. `sentences` is empty if it has errors."""

    id: str
    name: str
    tags: tuple[str, ...]
    is_tier: bool
    enabled: bool
    state: str
    sentences: tuple[str, ...]
    problems: int
    count: int | None = None


@dataclass(frozen=True, slots=True)
class RuleList:
    """All rules. `live` is the version that runs; `is_behind`: another one went live since the draft began."""

    shop: Shop
    rows: tuple[RuleRow, ...]
    draft: WorkingCopy | None
    changes: Mapping[str, int]
    live: int
    is_behind: bool
    undo: int
    templates: tuple[Template, ...]
    is_counted: bool
    asked_by: str = ""


async def show_rules(visit: Visit) -> View | Redirect:
    """The rules of the draft, or the live ones if there is no draft."""
    model = await _list(visit)
    return View("rules/list.html", model, visit.t("rules.title"))


async def show_rule_counts(visit: Visit) -> View | Redirect:
    """The same rules with the customers that each matches."""
    model = await _list(visit, count=True)
    template = "rules/rows.html" if visit.is_partial else "rules/list.html"
    return View(template, model, visit.t("rules.title"))


async def show_gallery(visit: Visit) -> View | Redirect:
    """The templates."""
    shop = await visit.context.shops.describe(visit.org)
    model = RuleList(shop, (), None, {}, 0, is_behind=False, undo=0, templates=TEMPLATES, is_counted=True)
    crumbs = (Crumb(visit.t("rules.title"), f"/shops/{shop.org}/rules"),)
    return View("rules/new.html", model, visit.t("rules.new"), crumbs)


async def add_rule(visit: Visit) -> View | Redirect:
    """Add a rule from a template, or a tier, to the draft."""
    shop = await visit.context.shops.describe(visit.org)
    key = visit.posted("template")
    if key == "tier":
        kind, entry = "tiers", NEW_TIER | {"name": visit.t("rules.template.tier")}
    elif key in BY_KEY:
        kind, entry = "rules", BY_KEY[key].entry(visit.t)
    else:
        raise NotFound(Sentence("there is no template {template}", template=key[:40]))
    entry_id = await editor.add_entry(visit.context, shop, kind, entry, by=visit.by)
    return Redirect(f"/shops/{shop.org}/rules/{entry_id}/edit")


async def undo_draft(visit: Visit) -> View | Redirect:
    """Restore the draft before the last save."""
    shop = await visit.context.shops.describe(visit.org)
    restored = await editor.undo(visit.context, shop.org, by=visit.by)
    rule_id = visit.posted("rule")
    ids = [
        each["id"] for kind in editor.KINDS for each in (restored.document.get(kind, ()) if restored else ())
    ]
    path = f"/shops/{shop.org}/rules" + (f"/{rule_id}/edit" if rule_id in ids else "")
    return Redirect(path, Notice("notice.undone" if restored else "notice.nothing_to_undo"))


async def discard_draft(visit: Visit) -> View | Redirect:
    """Throw the draft away."""
    shop = await visit.context.shops.describe(visit.org)
    await editor.discard(visit.context, shop.org, by=visit.by)
    return Redirect(f"/shops/{shop.org}/rules", Notice("notice.draft_discarded"))


async def keep_draft(visit: Visit) -> View | Redirect:
    """Keep the draft although another version went live since it began."""
    shop = await visit.context.shops.describe(visit.org)
    await editor.use_live_parent(visit.context, shop, by=visit.by)
    return Redirect(f"/shops/{shop.org}/rules/publish")


async def _list(visit: Visit, *, count: bool = False) -> RuleList:
    shop = await visit.context.shops.describe(visit.org)
    stored = await working_copies.load(visit.context.redis, shop.org)
    copy = stored or await editor.open_copy(visit.context, shop)
    live_number = await visit.context.versions.live_number(shop.org)
    live = await editor.live_document(visit.context, shop, copy.parent)
    counts: dict[str, int] = {}
    if count:
        counts = await visit.cpu.run(editor.count_matches, shop.org, copy.document)
    rows = make_rows(copy.document, live, t=visit.t, counts=counts)
    request = await working_copies.load_request(visit.context.redis, shop.org)
    return RuleList(
        shop,
        rows,
        stored,
        {state: sum(row.state == state for row in rows) for state in CHANGED},
        live_number,
        is_behind=stored is not None and stored.parent != live_number,
        undo=await working_copies.count_undo(visit.context.redis, shop.org),
        templates=TEMPLATES,
        is_counted=count,
        asked_by=request.by if request is not None else "",
    )


def make_rows(
    document: Mapping[str, Any],
    live: Mapping[str, Any],
    *,
    t: Translator,
    counts: Mapping[str, int],
) -> tuple[RuleRow, ...]:
    """The rules and tiers of a draft, and those that it deletes from the live rules."""
    rows: list[RuleRow] = []
    for kind in editor.KINDS:
        before = {entry["id"]: entry for entry in live.get(kind, ())}
        for entry in document.get(kind, ()):
            old = before.pop(entry["id"], None)
            state = "new" if old is None else "live" if old == entry else "changed"
            rows.append(_row(entry, kind, state, document, t, counts))
        rows += [_row(entry, kind, "deleted", document, t, {}) for entry in before.values()]
    return tuple(rows)


def _row(
    entry: Mapping[str, Any],
    kind: str,
    state: str,
    document: Mapping[str, Any],
    t: Translator,
    counts: Mapping[str, int],
) -> RuleRow:
    frame = {key: document[key] for key in ("timezone", "currency") if key in document}
    currency = str(document.get("currency", "VND"))
    name = entry.get("name") or entry["id"]
    if isinstance(name, Mapping):
        first, second = ("en", "vi") if t.language == "en" else ("vi", "en")
        name = name.get(first) or name.get(second) or entry["id"]
    tags = [entry.get("tag")] if kind == "rules" else [each.get("tag") for each in entry.get("levels", ())]
    sentences: tuple[str, ...] = ()
    problems = 0
    try:
        rule_set = validate_rules({**frame, kind: [dict(entry)]})
    except InvalidRules as exc:
        problems = len(exc.problems)
    else:
        if rule_set.rules:
            sentences = (describe(rule_set.rules[0].when, translator=t, currency=currency),)
        else:
            sentences = describe_levels(rule_set.tiers[0], translator=t, currency=currency)
    return RuleRow(
        str(entry["id"]),
        str(name),
        tuple(str(tag) for tag in tags if tag),
        kind == "tiers",
        bool(entry.get("enabled", True)),
        state,
        sentences,
        problems,
        counts.get(entry["id"]),
    )


SECTIONS: Final = (Section("rules", "/shops/{org}/rules"),)
PAGES: Final = (
    Page("GET", "/shops/{org}/rules", show_rules, Role.VIEWER),
    Page("GET", "/shops/{org}/rules/counts", show_rule_counts, Role.VIEWER),
    Page("GET", "/shops/{org}/rules/new", show_gallery, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/new", add_rule, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/draft/undo", undo_draft, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/draft/discard", discard_draft, Role.MARKETER),
    Page("POST", "/shops/{org}/rules/draft/keep", keep_draft, Role.MARKETER),
)
