"""Webhooks that arrived, with what followed from each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from service.domain.access import Role
from service.domain.customers import CustomerId, parse_customer_id
from service.errors import MalformedData
from service.operations import outcome_text
from service.store.history import Delivery, DeliveryFilter, deliveries
from service.web.pages.activity.span import Span, read_span
from service.web.pages.shell import Crumb, Page, Redirect, Section, View, Visit

PAGE_SIZE: Final = 50
TOPICS: Final = (
    "customers/create",
    "customers/update",
    "customers/delete",
    "orders/create",
    "orders/paid",
    "orders/updated",
    "orders/cancelled",
)
OUTCOMES: Final = ("marked", "echo", "ignored")
CURSOR: Final = re.compile(r"[0-9]{1,15}-[0-9]{1,9}(\.[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A webhook and its outcome in words."""

    delivery: Delivery
    outcome: str
    is_ignored: bool


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """Newest first. `customer` is as typed; of one customer there is one page. `replay` leads to a replay of these."""

    path: str
    rows: tuple[DeliveryRow, ...]
    span: Span
    customer: str
    customer_error: str
    topic: str
    topics: tuple[tuple[str, str], ...]
    outcome: str
    outcomes: tuple[tuple[str, str], ...]
    older: str
    replay: str
    is_filtered: bool


async def show_deliveries(visit: Visit) -> View | Redirect:
    """The webhooks of a span of days, or the last ones of a customer."""
    shop = await visit.context.shops.describe(visit.org)
    path, span = f"/shops/{shop.org}/deliveries", read_span(visit, shop.timezone)
    text = visit.query.get("customer", "").strip()[:24]
    customer, before = read_customer(text), visit.query.get("before", "")
    topic = _chosen(visit.query.get("topic", ""), TOPICS)
    outcome = _chosen(visit.query.get("outcome", ""), OUTCOMES)
    wanted = DeliveryFilter(
        since_ms=span.since_ms,
        until_ms=span.until_ms,
        topics=(topic,) if topic else (),
        outcomes=(outcome,) if outcome else (),
    )
    page = deliveries.Page((), None)
    if customer is not None:
        found = await deliveries.list_for_customer(visit.context.redis, shop.org, customer, wanted)
        page = deliveries.Page(found, None)
    elif not text:
        page = await deliveries.list_deliveries(
            visit.context.redis,
            shop.org,
            wanted,
            before=before if CURSOR.fullmatch(before) else None,
            limit=PAGE_SIZE,
        )
    kept = {"customer": text, "topic": topic, "outcome": outcome, "from": span.since, "to": span.until}
    kept = {name: value for name, value in kept.items() if value}
    ids = {"ids": kept["customer"]} if customer is not None else {}
    model = DeliveriesPage(
        path=path,
        rows=tuple(
            DeliveryRow(each, outcome_text(each.outcome, words=visit.t), each.outcome != "marked")
            for each in page.deliveries
        ),
        span=span,
        customer=text,
        customer_error=visit.t("activity.customer.error") if text and customer is None else "",
        topic=topic,
        topics=(("", visit.t("replay.any_topic")), *((each, each) for each in TOPICS)),
        outcome=outcome,
        outcomes=(
            ("", visit.t("replay.any_outcome")),
            *((each, outcome_text(each, words=visit.t)) for each in OUTCOMES),
        ),
        older=f"{path}?{urlencode(kept | {'before': page.before})}" if page.before else "",
        replay=f"/shops/{shop.org}/replay?{urlencode({'source': 'deliveries'} | kept | ids)}",
        is_filtered=bool(kept),
    )
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    return View("activity/deliveries.html", model, visit.t("deliveries.title"), crumbs)


def _chosen(text: str, known: Sequence[str]) -> str:
    return text if text in known else ""


def read_customer(text: str) -> CustomerId | None:
    """The id in a text such as `#1037889951`, or None."""
    try:
        return parse_customer_id(text.removeprefix("#"))
    except MalformedData:
        return None


SECTIONS: Final = (Section("deliveries", "/shops/{org}/deliveries"),)
PAGES: Final = (Page("GET", "/shops/{org}/deliveries", show_deliveries, Role.VIEWER),)
