"""Webhooks that arrived, with what followed from each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from service.domain.access import Role
from service.domain.customers import CustomerId, parse_customer_id
from service.errors import MalformedData
from service.operations import outcome_text
from service.store.history import Delivery, deliveries
from service.web.pages.activity.span import Span, read_span
from service.web.pages.shell import Crumb, Page, Redirect, Section, View, Visit

PAGE_SIZE: Final = 50
CURSOR: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,9}(\.[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A webhook and its outcome in words."""

    delivery: Delivery
    outcome: str
    is_ignored: bool


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """Newest first. `customer` is as typed; of one customer there is one page."""

    path: str
    rows: tuple[DeliveryRow, ...]
    span: Span
    customer: str
    customer_error: str
    older: str
    is_filtered: bool


async def show_deliveries(visit: Visit) -> View | Redirect:
    """The webhooks of a span of days, or the last ones of a customer."""
    shop = await visit.context.shops.describe(visit.org)
    path, span = f"/shops/{shop.org}/deliveries", read_span(visit, shop.timezone)
    text = visit.query.get("customer", "").strip()[:24]
    customer, before = read_customer(text), visit.query.get("before", "")
    found: tuple[Delivery, ...] = ()
    older = ""
    if customer is not None:
        found = await deliveries.list_for_customer(
            visit.context.redis, shop.org, customer, since_ms=span.since_ms, until_ms=span.until_ms
        )
    elif not text:
        page = await deliveries.list_deliveries(
            visit.context.redis,
            shop.org,
            since_ms=span.since_ms,
            until_ms=span.until_ms,
            before=before if CURSOR.fullmatch(before) else None,
            limit=PAGE_SIZE,
        )
        found = page.deliveries
        if page.before is not None:
            kept = {"from": span.since, "to": span.until, "before": page.before}
            older = f"{path}?{urlencode({name: value for name, value in kept.items() if value})}"
    model = DeliveriesPage(
        path=path,
        rows=tuple(
            DeliveryRow(each, outcome_text(each.outcome, words=visit.t), each.outcome != "marked")
            for each in found
        ),
        span=span,
        customer=text,
        customer_error=visit.t("activity.customer.error") if text and customer is None else "",
        older=older,
        is_filtered=bool(text or span.since or span.until),
    )
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    return View("activity/deliveries.html", model, visit.t("deliveries.title"), crumbs)


def read_customer(text: str) -> CustomerId | None:
    """The id in a text such as `#1037889951`, or None."""
    try:
        return parse_customer_id(text.removeprefix("#"))
    except MalformedData:
        return None


SECTIONS: Final = (Section("deliveries", "/shops/{org}/deliveries"),)
PAGES: Final = (Page("GET", "/shops/{org}/deliveries", show_deliveries, Role.VIEWER),)
