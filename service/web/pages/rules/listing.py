"""The list of rules: what each says, its state in the draft, its customers, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from service.domain.access import Role
from service.domain.explain import Translator
from service.domain.rules import Calendar, strip_accents
from service.publishing import editor
from service.publishing.editor import RuleSummary
from service.store import working_copies
from service.store.history import day_counts
from service.store.shops import Shop
from service.store.working_copies import Editing, WorkingCopy
from service.web.pages.editors import TEMPLATES, Template
from service.web.pages.shell import Page, Redirect, Section, View, Visit

CHANGED: Final = ("new", "changed", "deleted")
STATES: Final = ("draft", "on", "off", "timed", "warned")
MAX_TEXT: Final = 80
WEEK_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule or tier with its marks. `levels` are the customers of each tag of a tier; `path` is "" for a deleted one."""

    rule: RuleSummary
    path: str
    keep: str  # "" or what the mark says
    is_forever: bool
    count: int | None
    levels: tuple[tuple[str, int | None], ...]
    warnings: tuple[str, ...]
    editing: tuple[Editing, ...]
    week: (
        tuple[int, int] | None
    )  # customers who got and lost its tags in seven days; None if nothing happened


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to. Empty: everything."""

    text: str = ""
    state: str = ""
    tag: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether every rule is shown."""
        return not (self.text or self.state or self.tag)


@dataclass(frozen=True, slots=True)
class RuleList:
    """All rules. `live` is the version that runs; `is_behind`: another one went live since the draft began."""

    shop: Shop
    rows: tuple[RuleRow, ...]
    total: int
    filters: Filters
    tags: tuple[str, ...]
    draft: WorkingCopy | None
    changes: Mapping[str, int]
    live: int
    is_behind: bool
    may_undo: bool
    may_redo: bool
    templates: tuple[Template, ...]
    is_counted: bool
    counts_path: str
    asked_by: str = ""


async def show_rules(visit: Visit) -> View | Redirect:
    """The rules of the draft, or the live ones if there is no draft."""
    return View("rules/list.html", await _list(visit, count=False), visit.t("rules.title"))


async def show_rule_counts(visit: Visit) -> View | Redirect:
    """The same rules with the customers that each matches, and warnings."""
    template = "rules/rows.html" if visit.is_partial else "rules/list.html"
    return View(template, await _list(visit, count=True), visit.t("rules.title"))


async def _list(visit: Visit, *, count: bool) -> RuleList:
    context, redis = visit.context, visit.context.redis
    shop = await context.shops.describe(visit.org)
    stored = await working_copies.load(redis, shop.org)
    copy = stored or await editor.open_copy(context, shop)
    live_number = await context.versions.live_number(shop.org)
    rules = await visit.cpu.run(
        editor.summarize, shop.org, copy.document, copy.parent, visit.language, count=count
    )
    filters = read_filters(visit.query)
    editing = await working_copies.list_editing(redis, shop.org, now_ms=await context.now_ms())
    others = [each for each in editing if each.by != visit.by.name]
    undos, redos = await working_copies.count_steps(redis, shop.org)
    request = await working_copies.load_request(redis, shop.org)
    base, today = f"/shops/{shop.org}/rules", Calendar(ZoneInfo(shop.timezone)).day_of(await context.now_ms())
    week = _by_rule(await day_counts.load_tag_changes(redis, shop.org, today=today, days=WEEK_DAYS))
    return RuleList(
        shop=shop,
        rows=tuple(make_row(rule, base, others, visit.t, week) for rule in rules if fits(rule, filters)),
        total=len(rules),
        filters=filters,
        tags=tuple(sorted({tag for rule in rules for tag in rule.tags}, key=strip_accents)),
        draft=stored,
        changes={state: sum(rule.state == state for rule in rules) for state in CHANGED},
        live=live_number,
        is_behind=stored is not None and stored.parent != live_number,
        may_undo=undos > 0,
        may_redo=redos > 0,
        templates=TEMPLATES,
        is_counted=count,
        counts_path=f"{base}/counts" + (f"?{visit.query}" if not filters.is_empty else ""),
        asked_by=request.by if request is not None else "",
    )


def read_filters(query: Mapping[str, str]) -> Filters:
    """The filters of an address. Unknown states are none."""
    state = query.get("state", "")
    return Filters(
        query.get("q", "").strip()[:MAX_TEXT],
        state if state in STATES else "",
        query.get("tag", "")[:MAX_TEXT],
    )


def fits(rule: RuleSummary, filters: Filters) -> bool:
    """Whether the list shows a rule. A search ignores case and diacritics; every word must be in the rule."""
    if filters.tag and filters.tag not in rule.tags:
        return False
    is_warned = bool(rule.problems or (rule.matches is not None and rule.matches.warnings))
    states = {
        "draft": rule.state != "live",
        "on": rule.enabled,
        "off": not rule.enabled,
        "timed": rule.is_timed,
        "warned": is_warned,
    }
    if filters.state and not states[filters.state]:
        return False
    searched = strip_accents(" ".join((rule.name, rule.id, *rule.tags, *rule.sentences)))
    return all(word in searched for word in strip_accents(filters.text).split())


def make_row(
    rule: RuleSummary,
    base: str,
    others: Sequence[Editing],
    t: Translator,
    week: Mapping[str, tuple[int, int]],
) -> RuleRow:
    """A rule with its marks. `others`: the other people who have an editor open. `week`: changes by id of a rule."""
    counts = rule.matches.counts if rule.matches is not None else ()
    levels = tuple((tag, counts[at] if at < len(counts) else None) for at, tag in enumerate(rule.tags))
    days = rule.keep.removesuffix(" days")
    keep = {"forever": t("rule.keep.forever"), "while_matching": ""}.get(rule.keep)
    if keep is None:
        keep = t("rule.keep.days", days=t.days(int(days))) if days.isdigit() else ""
    return RuleRow(
        rule=rule,
        path="" if rule.state == "deleted" else f"{base}/{rule.id}",
        keep=keep,
        is_forever=rule.keep == "forever",
        count=(sum(counts[:-1]) if rule.is_tier else counts[0]) if counts else None,
        levels=levels if rule.is_tier else (),
        warnings=rule.matches.warnings if rule.matches is not None else (),
        editing=tuple(each for each in others if each.entry == rule.id),
        week=week.get(rule.id),
    )


def _by_rule(changes: Mapping[day_counts.TagOfRule, day_counts.TagChanges]) -> dict[str, tuple[int, int]]:
    """The tags that each rule or tier added and removed."""
    sums: dict[str, tuple[int, int]] = {}
    for (rule, _), (added, removed) in changes.items():
        before = sums.get(rule, (0, 0))
        sums[rule] = before[0] + added, before[1] + removed
    return sums


SECTIONS: Final = (Section("rules", "/shops/{org}/rules"),)
PAGES: Final = (
    Page("GET", "/shops/{org}/rules", show_rules, Role.VIEWER),
    Page("GET", "/shops/{org}/rules/counts", show_rule_counts, Role.VIEWER),
)
