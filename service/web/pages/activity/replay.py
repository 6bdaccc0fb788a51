"""Replays: choose customers and count them. What is counted is frozen, and has a page of its own (runs.py)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from service.domain.access import Role
from service.domain.customers import CustomerId
from service.errors import Refused
from service.operations import LetterFilter, Selection, count_replay, group_letters, outcome_text
from service.store.history import DeliveryFilter
from service.store.jobs import runs
from service.store.queue import list_open
from service.store.shops import Shop
from service.web.pages.activity.deliveries import OUTCOMES, TOPICS, read_customer
from service.web.pages.activity.runs import RunRow, replay_path, to_row
from service.web.pages.activity.span import MAX_TEXT, day_ms
from service.web.pages.shell import Crumb, Page, Redirect, Section, View, Visit, parse_day

SOURCES: Final = ("deliveries", "customers", "dead_letters", "everybody")
MAX_IDS: Final = 10_000
MAX_IDS_TEXT: Final = 250_000
MAX_GROUP: Final = 1_000
_DELIMITER: Final = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class ReplayForm:
    """What was chosen, as typed."""

    source: str = "deliveries"
    since: str = ""
    until: str = ""
    topic: str = ""
    outcome: str = ""
    ids: str = ""  # of customers; with deliveries they narrow the filter
    group: str = ""  # of dead letters


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """The form, and the latest runs."""

    path: str
    form: ReplayForm
    errors: dict[str, str]
    topics: tuple[tuple[str, str], ...]
    outcomes: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, str], ...]
    runs: tuple[RunRow, ...]

    @property
    def is_active(self) -> bool:
        """Whether a run goes on."""
        return any(row.run.is_active for row in self.runs)


async def show_replays(visit: Visit) -> View | Redirect:
    """The form and the latest runs. A link may fill in the form. htmx asks for the runs alone."""
    shop = await visit.context.shops.describe(visit.org)
    form = _read_form(lambda name: visit.query.get(name, ""))
    model = await _model(visit, shop, replace(form, source=form.source or "deliveries"))
    if visit.is_partial:
        return View("activity/runs.html", model)
    return _view(visit, shop, model)


async def count_customers(visit: Visit) -> View | Redirect:
    """Count the customers of the selection, and freeze them. Nothing else is changed."""
    shop = await visit.context.shops.describe(visit.org)
    form = _read_form(visit.posted)
    selection, errors = _select(visit, shop, form)
    if selection is not None:
        try:
            run = await visit.cpu.run(count_replay, shop.org, selection, by=visit.by)
        except Refused:
            is_waiting = form.source == "everybody" and shop.first_look != "complete"
            errors = {"source": visit.t("replay.first_look" if is_waiting else "replay.nobody")}
        else:
            return Redirect(f"{replay_path(shop)}/{run.id}")
    return _view(visit, shop, await _model(visit, shop, form, errors))


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


def _read_form(read: Callable[[str], str]) -> ReplayForm:
    source, topic, outcome = read("source"), read("topic"), read("outcome")
    return ReplayForm(
        source=source if source in SOURCES else "",
        since=read("from").strip()[:MAX_TEXT],
        until=read("to").strip()[:MAX_TEXT],
        topic=topic if topic in TOPICS else "",
        outcome=outcome if outcome in OUTCOMES else "",
        ids=read("ids")[:MAX_IDS_TEXT],
        group=read("group")[:MAX_GROUP],
    )


def _select(visit: Visit, shop: Shop, form: ReplayForm) -> tuple[Selection | None, dict[str, str]]:
    """The selection of the form, or what is wrong with it by field."""
    errors: dict[str, str] = {}
    ids, wrong = parse_ids(form.ids) if form.source in ("customers", "deliveries") else ([], [])
    if wrong:
        errors["ids"] = visit.t("replay.ids.wrong", ids=visit.t.truncate_list(wrong))
    elif len(ids) > MAX_IDS:
        errors["ids"] = visit.t("replay.ids.many", most=visit.t.number(MAX_IDS))
    elif form.source == "customers" and not ids:
        errors["ids"] = visit.t("replay.ids.error")
    days: dict[str, date | None] = {}
    for name, text in (("from", form.since), ("to", form.until)):
        days[name] = parse_day(text)
        if form.source == "deliveries" and text and days[name] is None:
            errors[name] = visit.t("activity.span.error")
    if not form.source:
        errors["source"] = visit.t("replay.source.error")
    if errors:
        return None, errors
    match form.source:
        case "customers":
            return Selection(customers=tuple(ids)), {}
        case "dead_letters":
            return Selection(dead_letters=LetterFilter(group=form.group)), {}
        case "everybody":
            return Selection(everybody=True), {}
    first, last = days["from"], days["to"]
    wanted = DeliveryFilter(
        since_ms=0 if first is None else day_ms(first, shop.timezone),
        until_ms=None if last is None else day_ms(last + timedelta(days=1), shop.timezone) - 1,
        topics=(form.topic,) if form.topic else (),
        outcomes=(form.outcome,) if form.outcome else (),
        customers=tuple(ids),
    )
    return Selection(deliveries=wanted), {}


def _view(visit: Visit, shop: Shop, model: ReplayPage) -> View:
    crumbs = (Crumb(shop.name, f"/shops/{shop.org}"),)
    status = 422 if model.errors else 200
    return View("activity/replay.html", model, visit.t("section.replay"), crumbs, status=status)


async def _model(
    visit: Visit, shop: Shop, form: ReplayForm, errors: dict[str, str] | None = None
) -> ReplayPage:
    latest = await runs.latest(visit.context.redis, shop.org)
    groups = group_letters(await list_open(visit.context.redis, shop.org), words=visit.t)
    return ReplayPage(
        path=replay_path(shop),
        form=form,
        errors=errors or {},
        topics=(("", visit.t("replay.any_topic")), *((topic, topic) for topic in TOPICS)),
        outcomes=(
            ("", visit.t("replay.any_outcome")),
            *((each, outcome_text(each, words=visit.t)) for each in OUTCOMES),
        ),
        groups=(
            ("", visit.t("replay.any_group")),
            *((group.key, f"{visit.t.number(len(group.letters))} × {group.text}") for group in groups),
        ),
        runs=tuple(to_row(run) for run in latest),
    )


SECTIONS: Final = (Section("replay", "/shops/{org}/replay", Role.OPS),)
PAGES: Final = (
    Page("GET", "/shops/{org}/replay", show_replays, Role.OPS),
    Page("POST", "/shops/{org}/replay/count", count_customers, Role.OPS),
)
