"""Pictures of a shop over weeks: tags added and removed, customers by tier and tag, API calls, the backlog and its age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from service.context import Context
from service.domain.access import Role
from service.domain.customers import OrgId
from service.domain.explain import Language, Translator
from service.domain.rules import RuleSet
from service.locales import translator_for
from service.store.history import day_counts
from service.store.queue import LEAK_PER_S, STATES, ShopBacklog, load_backlogs
from service.web.pages.activity.charts import (
    Plot,
    plot_age,
    plot_backlog,
    plot_calls,
    plot_changes,
    plot_tags,
    plot_tier,
)
from service.web.pages.shell import Crumb, Formats, Page, Redirect, View, Visit

SPANS: Final = (30, 90, 400)  # days
MAX_COLUMNS: Final = 90  # of a picture: more would be thinner than a pixel on a phone, and are weeks
WIDTH: Final = 720
BUCKET: Final = 80
CALLS_PER_DAY: Final = round(LEAK_PER_S * 86_400)


@dataclass(frozen=True, slots=True)
class BarPart:
    """A part of a bar: how many of a kind."""

    kind: str
    name: str
    count: int
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of parts, with what it says as a text."""

    parts: tuple[BarPart, ...]
    text: str
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class LoadPage:
    """All pictures. `plots` are of days, the bars of now."""

    path: str
    span: int
    spans: tuple[tuple[int, str], ...]
    plots: tuple[Plot, ...]
    backlog: Bar
    oldest: str
    api: Bar


async def show_load(visit: Visit) -> View | Redirect:
    """The pictures of the last days, and of now."""
    shop = await visit.context.shops.describe(visit.org)
    asked = visit.query.get("days", "")
    span = next((days for days in SPANS if str(days) == asked), SPANS[0])
    plots = await visit.cpu.run(load_plots, shop.org, language=visit.language, days=span)
    [backlog] = await load_backlogs(visit.context.redis, [shop.org])
    length = Formats(visit.t, shop.timezone, 0).length(backlog.oldest_s)
    path = f"/shops/{shop.org}"
    model = LoadPage(
        path=f"{path}/activity/load",
        span=span,
        spans=tuple((days, visit.t.plural("days", days)) for days in SPANS),
        plots=plots,
        backlog=draw_backlog(backlog, visit.t),
        oldest=visit.t("load.oldest", length=length) if backlog.oldest_s else visit.t("load.no_backlog"),
        api=draw_api(backlog, shop.reserve, visit.t),
    )
    crumbs = (Crumb(shop.name, path), Crumb(visit.t("activity.title"), f"{path}/activity"))
    return View("activity/load.html", model, visit.t("load.title"), crumbs)


async def load_plots(
    context: Context, org: OrgId, *, language: Language, days: int, of_tags_only: bool = False
) -> tuple[Plot, ...]:
    """The pictures of the last days, in the CPU pool: it parses the rules. `of_tags_only`: without those of the load."""
    shop, t = await context.shops.describe(org), translator_for(language)
    number = await context.versions.live_number(org)
    rule_set = await context.versions.document(org, number) if number else RuleSet(timezone=shop.timezone)
    today = datetime.fromtimestamp(await context.now_ms() / 1000, ZoneInfo(rule_set.timezone)).toordinal()
    counts = await day_counts.load_days(context.redis, org, last=today, days=days)
    if days > MAX_COLUMNS:
        counts = day_counts.by_week(counts)
    tiers = tuple(plot_tier(counts, tier, t, language=language) for tier in rule_set.tiers if tier.enabled)
    of_tags = (plot_changes(counts, t), *tiers, plot_tags(counts, rule_set, t))
    if of_tags_only:
        return of_tags
    length = Formats(t, shop.timezone, 0).length
    return (
        *of_tags,
        plot_calls(counts, t, per_day=CALLS_PER_DAY),
        plot_backlog(counts, t),
        plot_age(counts, t, length=length),
    )


def draw_backlog(backlog: ShopBacklog, t: Translator) -> Bar:
    """The waiting customers by state."""
    counts = [(state, backlog.customers[state]) for state in STATES]
    total = sum(count for _, count in counts)
    text = ", ".join(f"{t(f'load.state.{state}')}: {t.number(count)}" for state, count in counts)
    return Bar(
        _parts([(state, t(f"load.state.{state}"), count) for state, count in counts], total),
        f"{t('load.backlog')}: {text}",
    )


def draw_api(backlog: ShopBacklog, reserve: int, t: Translator) -> Bar:
    """How full the API's bucket is, and what is left to other apps."""
    used = min(BUCKET, round(backlog.rate_limit_used))
    parts = [("live", t("load.api.used"), used)]
    return Bar(_parts(parts, BUCKET), t("load.api.now", used=used, size=BUCKET, reserve=reserve))


def _parts(counts: list[tuple[str, str, int]], total: int) -> tuple[BarPart, ...]:
    x, parts = 0, []
    for kind, name, count in counts:
        width = round(count * WIDTH / total) if total else 0
        parts.append(BarPart(kind, name, count, x, min(width, WIDTH - x)))
        x += width
    return tuple(parts)


PAGES: Final = (Page("GET", "/shops/{org}/activity/load", show_load, Role.VIEWER),)
