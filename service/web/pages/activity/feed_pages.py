"""The feed as a page, its live part, and as a CSV file."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from service.domain.access import Role
from service.domain.customers import OrgId
from service.domain.explain import Translator
from service.store.shops import Shop
from service.web.pages.activity.deliveries import CURSOR, read_customer
from service.web.pages.activity.feed import (
    KINDS,
    SHOWN,
    SOURCES,
    Feed,
    FeedFilter,
    FeedRow,
    load_feed,
    source_text,
)
from service.web.pages.activity.span import Span, read_span
from service.web.pages.customers import moment_path
from service.web.pages.shell import Crumb, Download, Page, Redirect, Section, View, Visit

MAX_CSV_ROWS: Final = 10_000
MAX_CSV_SCANNED: Final = 200_000
MAX_TAG: Final = 200
_FORMULA: Final = re.compile(r"^[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class FeedPage:
    """The feed with its filter as typed."""

    org: OrgId
    timezone: str
    path: str
    feed: Feed
    span: Span
    wanted: FeedFilter
    customer: str
    customer_error: str
    shows: tuple[tuple[str, str], ...]
    rules: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...]
    older: str
    live: str  # the address of the live part, "" if the page is not live
    csv: str
    is_filtered: bool
    t: Translator

    def source(self, row: FeedRow) -> str:
        """Where a row comes from, in words."""
        return source_text(row, self.t)

    def moment(self, row: FeedRow) -> str:
        """The address of what was decided at that moment. "" for what we did not decide."""
        if row.kind != "change" or row.customer is None:
            return ""
        day = f"{datetime.fromtimestamp(row.at_ms / 1000, ZoneInfo(self.timezone)):%d/%m/%Y}"
        return moment_path(self.org, row.customer, row.tag, version=row.version, day=day, entry=row.id)

    def rule(self, row: FeedRow) -> str:
        """The rule's name, its id if it is no longer live."""
        title = f"title.{row.rule}"
        return self.feed.rules.get(row.rule, self.t(title) if self.t.has(title) else row.rule)


async def show_activity(visit: Visit) -> View | Redirect:
    """What happened, newest first. htmx asks for the live part, which has what came since."""
    shop = await visit.context.shops.describe(visit.org)
    wanted, span, customer, error = _read_filter(visit, shop)
    before, after = _cursors(visit.query.get("before", "")), _cursors(visit.query.get("after", ""))
    feed = Feed(())
    if not error:
        feed = await visit.cpu.run(
            load_feed, shop.org, wanted, language=visit.language, before=before, after=after
        )
    path = f"/shops/{shop.org}/activity"
    kept = _kept(wanted, span, customer)
    is_live = wanted.show == "tags" and not before and (bool(feed.rows) or bool(after)) and not span.until
    model = FeedPage(
        org=shop.org,
        timezone=shop.timezone,
        path=path,
        feed=feed,
        span=span,
        wanted=wanted,
        customer=customer,
        customer_error=error,
        shows=tuple((key, visit.t(f"activity.show.{key}")) for key in SHOWN),
        rules=(("", visit.t("activity.any_rule")), *sorted(feed.rules.items(), key=lambda pair: pair[1])),
        sources=(
            ("", visit.t("activity.any_source")),
            *((key, visit.t(f"activity.source.{key}")) for key in SOURCES),
        ),
        older=_address(path, kept, before="~".join(feed.older)) if feed.older and not after else "",
        live=_address(path, kept, after="~".join(feed.newest)) if is_live else "",
        csv=_address(f"{path}.csv", kept),
        is_filtered=bool(kept),
        t=visit.t,
    )
    if visit.is_partial and after:
        return View("activity/live.html", model)
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    return View("activity/feed.html", model, visit.t("activity.title"), crumbs)


async def download_activity(visit: Visit) -> Download:
    """The changes of tags as CSV, with ids of customers and no personal data. A webhook changes no tag itself."""
    shop = await visit.context.shops.describe(visit.org)
    wanted, _, _, error = _read_filter(visit, shop)
    feed = Feed(())
    if not error:
        feed = await visit.cpu.run(
            load_feed,
            shop.org,
            wanted,
            language=visit.language,
            limit=MAX_CSV_ROWS,
            max_scanned=MAX_CSV_SCANNED,
        )
    return Download(f"activity-{shop.org}.csv", "text/csv; charset=utf-8", to_csv(feed, visit.t))


def to_csv(feed: Feed, t: Translator) -> bytes:
    """The rows as a spreadsheet reads them: UTF-8 with its mark, and no cell that begins a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = ("at", "customer", "action", "tag", "rule", "version", "source", "why", "written")
    writer.writerow(t(f"activity.csv.{name}") for name in names)
    for row in feed.rows:
        moment = datetime.fromtimestamp(row.at_ms / 1000, UTC).isoformat(timespec="seconds")
        action = "" if row.kind == "webhook" else t("activity.added" if row.is_added else "activity.removed")
        written = t("activity.yes" if row.written else "activity.no")
        cells = (
            row.tag,
            feed.rules.get(row.rule, row.rule),
            str(row.version or ""),
            source_text(row, t),
            row.why,
        )
        writer.writerow([moment, row.customer or "", action, *map(_safe_cell, cells), written])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _safe_cell(text: str) -> str:
    """A spreadsheet executes cells that begin with these characters."""
    return f"'{text}" if _FORMULA.match(text) else text


def _read_filter(visit: Visit, shop: Shop) -> tuple[FeedFilter, Span, str, str]:
    """The filter, and its span and customer as typed, with what is wrong with the customer."""
    query, span = visit.query, read_span(visit, shop.timezone)
    customer = query.get("customer", "").strip()[:24]
    known = read_customer(customer)
    show, source = query.get("show", "tags"), query.get("source", "")
    wanted = FeedFilter(
        show=show if show in SHOWN else "tags",
        tag=query.get("tag", "").strip()[:MAX_TAG],
        rule=query.get("rule", "")[:MAX_TAG],
        source=source if source in SOURCES else "",
        customer=known,
        since_ms=span.since_ms,
        until_ms=span.until_ms,
    )
    error = visit.t("activity.customer.error") if customer and known is None else ""
    return wanted, span, customer, error


def _kept(wanted: FeedFilter, span: Span, customer: str) -> dict[str, str]:
    fields = {
        "show": wanted.show if wanted.show != "tags" else "",
        "tag": wanted.tag,
        "rule": wanted.rule,
        "source": wanted.source,
        "customer": customer,
        "from": span.since,
        "to": span.until,
    }
    return {name: value for name, value in fields.items() if value}


def _address(path: str, kept: dict[str, str], **more: str) -> str:
    fields = kept | more
    return f"{path}?{urlencode(fields)}" if fields else path


def _cursors(text: str) -> tuple[str, ...]:
    """A cursor for each kind, none if the text is not one of ours."""
    parts = tuple(text.split("~"))
    is_ours = len(parts) == len(KINDS) and all(not part or CURSOR.fullmatch(part) for part in parts)
    return parts if is_ours else ()


SECTIONS: Final = (Section("activity", "/shops/{org}/activity"),)
PAGES: Final = (
    Page("GET", "/shops/{org}/activity", show_activity, Role.VIEWER),
    Page("GET", "/shops/{org}/activity.csv", download_activity, Role.VIEWER),
)
