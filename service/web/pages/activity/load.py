"""Pictures of the load: tags added and removed a day, the backlog by state, and the API's bucket.

The server computes the places of all bars; each picture has a text, and the days have a table as well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from service.context import Context
from service.domain.access import Role
from service.domain.customers import OrgId
from service.domain.explain import Translator
from service.store.history import ledger
from service.store.queue import STATES, ShopBacklog, load_backlogs
from service.web.pages.activity.span import day_ms
from service.web.pages.shell import Crumb, Formats, Page, Redirect, View, Visit

DAYS: Final = 30
MAX_READ: Final = 100_000  # entries of the ledger
BATCH: Final = 2_000
WIDTH: Final = 720
HEIGHT: Final = 172  # of both directions together
BUCKET: Final = 80


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Tags added and removed by day (ordinal). `first` is the first day that was read completely."""

    added: dict[int, int]
    removed: dict[int, int]
    first: int


@dataclass(frozen=True, slots=True)
class Column:
    """A day of the picture."""

    day: str
    added: int
    removed: int
    x: int
    width: int
    up: int
    down: int
    text: str


@dataclass(frozen=True, slots=True)
class DayPicture:
    """The days as columns: additions above the axis, removals below it."""

    columns: tuple[Column, ...]
    axis: int
    added: int
    removed: int
    text: str
    is_partial: bool


@dataclass(frozen=True, slots=True)
class BarPart:
    """A part of a bar."""

    kind: str
    name: str
    count: int
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of parts."""

    parts: tuple[BarPart, ...]
    text: str
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class LoadPage:
    """All pictures."""

    days: DayPicture
    backlog: Bar
    oldest: str
    api: Bar


async def show_load(visit: Visit) -> View | Redirect:
    """The pictures as of now."""
    shop = await visit.context.shops.describe(visit.org)
    now_ms = await visit.context.now_ms()
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(shop.timezone)).date()
    counts = await visit.cpu.run(count_by_day, shop.org, timezone=shop.timezone, today=today)
    [backlog] = await load_backlogs(visit.context.redis, [shop.org])
    length = Formats(visit.t, shop.timezone, now_ms).length(backlog.oldest_s)
    model = LoadPage(
        days=draw_days(counts, today=today, t=visit.t),
        backlog=draw_backlog(backlog, visit.t),
        oldest=visit.t("load.oldest", length=length) if backlog.oldest_s else visit.t("load.no_backlog"),
        api=draw_api(backlog, shop.reserve, visit.t),
    )
    path = f"/shops/{shop.org}"
    crumbs = (Crumb(shop.name, path), Crumb(visit.t("activity.title"), f"{path}/activity"))
    return View("activity/load.html", model, visit.t("load.title"), crumbs)


async def count_by_day(context: Context, org: OrgId, *, timezone: str, today: date) -> DayCounts:
    """Count what was written in the last `DAYS` days, newest first, in at most `MAX_READ` entries. Decisions of the
    shadow mode do not count."""
    zone, first = ZoneInfo(timezone), today - timedelta(days=DAYS - 1)
    added: Counter[int] = Counter()
    removed: Counter[int] = Counter()
    since_ms, before, read = day_ms(first, timezone), "", 0
    complete = first.toordinal()
    while page := await ledger.list_newest(context.redis, org, limit=BATCH, before=before, since_ms=since_ms):
        for row in page:
            if row.entry.written:
                day = datetime.fromtimestamp(row.at_ms / 1000, zone).toordinal()
                (added if row.entry.action == "+" else removed)[day] += 1
        before, read = page[-1].id, read + len(page)
        if read >= MAX_READ and len(page) == BATCH:
            complete = datetime.fromtimestamp(page[-1].at_ms / 1000, zone).toordinal() + 1
            break
    return DayCounts(dict(added), dict(removed), min(complete, today.toordinal()))


def draw_days(counts: DayCounts, *, today: date, t: Translator) -> DayPicture:
    """Place the columns. Both directions have the same scale."""
    days = range(today.toordinal() - DAYS + 1, today.toordinal() + 1)
    shown = [day for day in days if day >= counts.first]
    most_up = max((counts.added.get(day, 0) for day in shown), default=0)
    most_down = max((counts.removed.get(day, 0) for day in shown), default=0)
    scale = HEIGHT / max(1, most_up + most_down)
    step = WIDTH // DAYS
    columns = tuple(
        _column(day, counts, x=(day - days[0]) * step, width=step - 4, scale=scale, t=t) for day in shown
    )
    added = sum(column.added for column in columns)
    removed = sum(column.removed for column in columns)
    best = max(columns, key=lambda column: column.added + column.removed)
    text = t(
        "load.days.text",
        days=len(shown),
        added=t.number(added),
        removed=t.number(removed),
        day=best.day,
        most=t.number(best.added + best.removed),
    )
    return DayPicture(columns, 8 + round(most_up * scale), added, removed, text, counts.first > days[0])


def _column(day: int, counts: DayCounts, *, x: int, width: int, scale: float, t: Translator) -> Column:
    added, removed = counts.added.get(day, 0), counts.removed.get(day, 0)
    name = t.day(day)
    return Column(
        day=name,
        added=added,
        removed=removed,
        x=x,
        width=width,
        up=_length(added, scale),
        down=_length(removed, scale),
        text=f"{name}: +{t.number(added)} −{t.number(removed)}",
    )


def _length(count: int, scale: float) -> int:
    """The length of a bar: what is not nothing is visible."""
    return max(1, round(count * scale)) if count else 0


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
