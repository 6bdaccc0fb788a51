"""A run: what was counted and how to start it, then its progress, with pause, resume and cancel for a replay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from service.domain.access import Role
from service.errors import NotFound, Refused
from service.operations import (
    MAX_PER_MINUTE,
    cancel_replay,
    describe_run,
    pause_replay,
    resume_replay,
    start_replay,
)
from service.sentence import Sentence
from service.store.jobs import Run, runs
from service.store.queue import LEAK_PER_S
from service.store.shops import Shop
from service.web.pages.shell import Crumb, Notice, Page, Redirect, View, Visit, parse_count

PACES: Final = (0, 600, 120, 30)  # customers a minute; 0: as many as the API rate limit lets through
MAX_REASON: Final = 200
READ_PER_MINUTE: Final = round(50 * LEAK_PER_S * 60)  # 50 customers in a call


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run with its progress in whole percent. `state` names its text, `replay.state.STATE`."""

    run: Run
    percent: int
    state: str
    tone: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """A run. `minutes`: it takes at least so long, from now on. What stays false hides its button."""

    path: str
    row: RunRow
    selection: str
    paces: tuple[tuple[str, str], ...]
    pace: str  # that of the form, or of the run in words
    reason: str
    errors: dict[str, str]
    minutes: int
    may_pause: bool
    may_resume: bool
    may_cancel: bool

    @property
    def run(self) -> Run:
        """The run."""
        return self.row.run


async def show_run(visit: Visit) -> View | Redirect:
    """The count, or the progress. htmx asks for the progress alone."""
    shop = await visit.context.shops.describe(visit.org)
    run = await _load(visit, shop)
    model = _model(visit, shop, run)
    if visit.is_partial:
        return View("activity/run_progress.html", model)
    return _view(visit, shop, model)


async def start_run(visit: Visit) -> View | Redirect:
    """Start what was counted."""
    shop = await visit.context.shops.describe(visit.org)
    run = await _load(visit, shop)
    reason, pace = visit.posted("reason"), visit.posted("pace")
    per_minute, errors = parse_count(pace or "0"), {}
    if not 0 < len(reason) <= MAX_REASON:
        errors["reason"] = visit.t("replay.reason.error")
    if per_minute is None or per_minute > MAX_PER_MINUTE:
        errors["pace"] = visit.t("replay.pace.error")
    if errors or per_minute is None:
        return _view(visit, shop, _model(visit, shop, run, errors=errors, reason=reason, pace=pace))
    started = await start_replay(
        visit.context, shop.org, run.id, by=visit.by, reason=reason, per_minute=per_minute
    )
    count = visit.t.number(started.total)
    return Redirect(
        f"{replay_path(shop)}/{run.id}", Notice("notice.replay_started", {"run": run.id, "n": count})
    )


async def pause_run(visit: Visit) -> View | Redirect:
    """Mark no more customers until somebody resumes it."""
    return await _change(visit, pause_replay, "notice.replay_paused")


async def resume_run(visit: Visit) -> View | Redirect:
    """Go on."""
    return await _change(visit, resume_replay, "notice.replay_resumed")


async def cancel_run(visit: Visit) -> View | Redirect:
    """End it. What was written stays."""
    return await _change(visit, cancel_replay, "notice.replay_cancelled")


async def _change(visit: Visit, change: Callable[..., Awaitable[Run]], notice: str) -> Redirect:
    shop = await visit.context.shops.describe(visit.org)
    path = f"{replay_path(shop)}/{visit.path['run'][:20]}"
    try:
        run = await change(visit.context, shop.org, visit.path["run"][:20], by=visit.by)
    except Refused:  # it has ended meanwhile
        return Redirect(path)
    return Redirect(path, Notice(notice, {"run": run.id}))


async def _load(visit: Visit, shop: Shop) -> Run:
    run_id = visit.path["run"]
    if not (run_id.isascii() and run_id.isalnum() and len(run_id) <= 20):
        raise NotFound(Sentence("there is no such run"))
    return await runs.get(visit.context.redis, shop.org, run_id)


def _view(visit: Visit, shop: Shop, model: RunPage) -> View:
    crumbs = (
        Crumb(shop.name, f"/shops/{shop.org}"),
        Crumb(visit.t("section.replay"), replay_path(shop)),
    )
    run, status = model.run, 422 if model.errors else 200
    title = visit.t("replay.count.title") if run.counted else visit.t("replay.run.title", run=run.id)
    return View("activity/run.html", model, title, crumbs, status=status)


def _model(
    visit: Visit,
    shop: Shop,
    run: Run,
    *,
    errors: dict[str, str] | None = None,
    reason: str = "",
    pace: str = "0",
) -> RunPage:
    is_replay = run.kind == "replay" and run.is_active
    return RunPage(
        path=f"{replay_path(shop)}/{run.id}",
        row=to_row(run),
        selection=describe_run(run, words=visit.t, timezone=shop.timezone),
        paces=tuple((str(each), pace_text(visit, each)) for each in PACES),
        pace=pace if run.counted else pace_text(visit, run.per_minute),
        reason=reason if run.counted else run.reason,
        errors=errors or {},
        minutes=estimate_minutes(run.remaining, run.per_minute),
        may_pause=is_replay and not run.paused_by and run.waiting > 0,
        may_resume=is_replay and bool(run.paused_by),
        may_cancel=is_replay,
    )


def to_row(run: Run) -> RunRow:
    """A run for people: its state, and how bad it is."""
    if run.ended:
        state, tone = f"ended.{run.ended}", "warn"
    elif run.counted:
        state, tone = "counted", "info"
    elif run.paused_by:
        state, tone = "paused", "warn"
    elif run.is_active:
        state, tone = "pending" if run.pending and not run.total else "active", "info"
    else:
        state, tone = "done", "good"
    return RunRow(run, percent_done(run), state, tone)


def pace_text(visit: Visit, per_minute: int) -> str:
    """A pace in words."""
    if not per_minute:
        return visit.t("replay.pace.unlimited")
    return visit.t("replay.pace.per_minute", n=visit.t.number(per_minute))


def percent_done(run: Run) -> int:
    """How much of a run is done, rounded down: 100 only if nothing remains."""
    return 100 * (run.total - run.remaining) // run.total if run.total else 0


def estimate_minutes(customers: int, per_minute: int = 0) -> int:
    """At least this long: customers are read 50 in a call, and writes come on top."""
    return -(-customers // min(per_minute or READ_PER_MINUTE, READ_PER_MINUTE))


def replay_path(shop: Shop) -> str:
    """The page of replays and runs."""
    return f"/shops/{shop.org}/replay"


PAGES: Final = (
    Page("GET", "/shops/{org}/replay/{run}", show_run, Role.OPS),
    Page("POST", "/shops/{org}/replay/{run}", start_run, Role.OPS),
    Page("POST", "/shops/{org}/replay/{run}/pause", pause_run, Role.OPS),
    Page("POST", "/shops/{org}/replay/{run}/resume", resume_run, Role.OPS),
    Page("POST", "/shops/{org}/replay/{run}/cancel", cancel_run, Role.OPS),
)
