"""Replays: count the customers first, then evaluate them again; and the progress of all runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.domain.customers import CustomerId
from service.errors import Refused
from service.operations import Selection, create_replay, select_customers
from service.store.jobs import Run, runs
from service.store.queue import LEAK_PER_S
from service.store.shops import Shop
from service.web.pages.activity.deliveries import read_customer
from service.web.pages.activity.span import MAX_TEXT, day_ms
from service.web.pages.shell import (
    Crumb,
    Notice,
    Page,
    Redirect,
    Section,
    View,
    Visit,
    parse_count,
    parse_day,
)

SOURCES: Final = ("customers", "time", "dead_letters", "everybody")
TOPICS: Final = ("customers/create", "customers/update", "orders/create", "orders/paid", "orders/updated")
MAX_IDS: Final = 10_000
MAX_IDS_TEXT: Final = 250_000
MAX_REASON: Final = 200
_DELIMITER: Final = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with its progress in whole percent."""

    run: Run
    percent: int


@dataclass(frozen=True, slots=True)
class ReplayForm:
    """What was chosen, as typed."""

    source: str = "time"
    ids: str = ""
    since: str = ""
    topic: str = ""
    until_ms: int = 0  # fixed by the count, so that what is counted is what runs
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """The form, its count, and the latest runs. `counted` is None before the count."""

    path: str
    form: ReplayForm
    errors: dict[str, str]
    counted: int | None
    minutes: int
    runs: tuple[RunRow, ...]
    topics: tuple[str, ...] = TOPICS

    @property
    def is_active(self) -> bool:
        """Whether a run goes on."""
        return any(row.run.is_active for row in self.runs)


async def show_replays(visit: Visit) -> View | Redirect:
    """The form and the latest runs. htmx asks for the runs alone."""
    shop = await visit.context.shops.describe(visit.org)
    if visit.is_partial:
        model = await _model(visit, shop, ReplayForm())
        return View("activity/runs.html", model)
    return await _show(visit, shop, ReplayForm())


async def count_replay(visit: Visit) -> View | Redirect:
    """Count the customers of the selection. Nothing is changed."""
    shop = await visit.context.shops.describe(visit.org)
    form = _read_form(visit, until_ms=await visit.context.now_ms())
    selection, errors = await _select(visit, shop, form)
    counted = None if selection is None else len(selection.customers)
    return await _show(visit, shop, form, errors=errors, counted=counted)


async def start_replay(visit: Visit) -> View | Redirect:
    """Evaluate the customers that were counted. More than counted are refused, and counted again."""
    shop = await visit.context.shops.describe(visit.org)
    form = _read_form(visit, until_ms=parse_count(visit.posted("until_ms")) or 0)
    counted = parse_count(visit.posted("counted"))
    selection, errors = await _select(visit, shop, form)
    if not 0 < len(form.reason) <= MAX_REASON:
        errors["reason"] = visit.t("replay.reason.error")
    if selection is not None and counted != len(selection.customers):
        errors["counted"] = visit.t("replay.counted.error", n=visit.t.number(len(selection.customers)))
    if errors or selection is None:
        found = None if selection is None else len(selection.customers)
        return await _show(visit, shop, form, errors=errors, counted=found)
    run = await visit.cpu.run(create_replay, shop.org, selection, by=visit.by, reason=form.reason)
    count = visit.t.number(len(selection.customers))
    return Redirect(_path(shop), Notice("notice.replay_started", {"run": run.id, "n": count}))


def parse_ids(text: str) -> tuple[list[CustomerId], list[str]]:
    """Ids from a pasted list or column, and the parts that are none. A heading in the first line is left out."""
    parts = [part.strip("\"'#") for part in _DELIMITER.split(text) if part.strip("\"'#")]
    if parts and not any(char.isdigit() for char in parts[0]):
        parts = parts[1:]
    ids: dict[CustomerId, None] = {}
    wrong: list[str] = []
    for part in parts:
        customer = read_customer(part)
        if customer is None:
            wrong.append(part[:24])
        else:
            ids[customer] = None
    return [*ids], wrong


def _read_form(visit: Visit, *, until_ms: int) -> ReplayForm:
    source = visit.posted("source")
    return ReplayForm(
        source=source if source in SOURCES else "",
        ids=visit.posted("ids")[:MAX_IDS_TEXT],
        since=visit.posted("since")[:MAX_TEXT],
        topic=visit.posted("topic") if visit.posted("topic") in TOPICS else "",
        until_ms=until_ms,
        reason=visit.posted("reason")[: MAX_REASON + 1],
    )


async def _select(visit: Visit, shop: Shop, form: ReplayForm) -> tuple[Selection | None, dict[str, str]]:
    """The customers of the form, or what is wrong with it by field."""
    ids, wrong = parse_ids(form.ids) if form.source == "customers" else ([], [])
    since = parse_day(form.since)
    errors: dict[str, str] = {}
    if not form.source:
        errors["source"] = visit.t("replay.source.error")
    if form.source == "customers" and (wrong or not ids):
        shown = visit.t.truncate_list(wrong)
        errors["ids"] = visit.t("replay.ids.wrong", ids=shown) if wrong else visit.t("replay.ids.error")
    elif len(ids) > MAX_IDS:
        errors["ids"] = visit.t("replay.ids.many", most=visit.t.number(MAX_IDS))
    if form.source == "time" and since is None:
        errors["since"] = visit.t("activity.span.error")
    if errors:
        return None, errors
    is_time = form.source == "time" and since is not None
    try:
        selection = await visit.cpu.run(
            select_customers,
            shop.org,
            customers=ids,
            since_ms=day_ms(since, shop.timezone) if is_time and since is not None else None,
            until_ms=form.until_ms if is_time else None,
            topics=[form.topic] if is_time and form.topic else [],
            dead_letters=form.source == "dead_letters",
            everybody=form.source == "everybody",
        )
    except Refused:
        return None, {"source": visit.t("replay.first_look")}  # the only one of a valid form
    if not selection.customers:
        return None, {"source": visit.t("replay.nobody")}
    return selection, {}


async def _show(
    visit: Visit,
    shop: Shop,
    form: ReplayForm,
    *,
    errors: dict[str, str] | None = None,
    counted: int | None = None,
) -> View:
    model = await _model(visit, shop, form, errors=errors or {}, counted=counted)
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    return View(
        "activity/replay.html",
        model,
        visit.t("section.replay"),
        crumbs,
        status=422 if errors else 200,
    )


async def _model(
    visit: Visit,
    shop: Shop,
    form: ReplayForm,
    *,
    errors: dict[str, str] | None = None,
    counted: int | None = None,
) -> ReplayPage:
    latest = await runs.latest(visit.context.redis, shop.org)
    return ReplayPage(
        path=_path(shop),
        form=form,
        errors=errors or {},
        counted=counted,
        minutes=estimate_minutes(counted or 0),
        runs=tuple(RunRow(run, percent_done(run)) for run in latest),
    )


def percent_done(run: Run) -> int:
    """How much of a run is done, rounded down: 100 only if nothing remains."""
    return 100 * (run.total - run.remaining) // run.total if run.total else 0


def estimate_minutes(customers: int) -> int:
    """At least this long: customers are read 50 in a call, and writes come on top."""
    return -(-customers // round(50 * LEAK_PER_S * 60))


def _path(shop: Shop) -> str:
    return f"/shops/{shop.org}/replay"


SECTIONS: Final = (Section("replay", "/shops/{org}/replay", Role.OPS),)
PAGES: Final = (
    Page("GET", "/shops/{org}/replay", show_replays, Role.OPS),
    Page("POST", "/shops/{org}/replay/count", count_replay, Role.OPS),
    Page("POST", "/shops/{org}/replay", start_replay, Role.OPS),
)
