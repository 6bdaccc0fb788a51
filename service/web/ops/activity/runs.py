"""Replays, and the progress of runs."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.locales import translator_for
from service.operations import (
    MAX_PER_MINUTE,
    Selection,
    cancel_replay,
    count_replay,
    describe_run,
    pause_replay,
    resume_replay,
    start_replay,
)
from service.store.jobs import Run, RunFilter, RunKind, runs
from service.web.ops.activity.filters import Customers, DeliveriesWanted, LettersWanted, SpanQuery
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    PageModel,
    Request,
    RequestModel,
    ResponseModel,
    decode_cursor,
    encode_cursor,
    to_model,
    to_ms,
)

REPLAY_PATH: Final = f"{SHOP_PATH}/replays/{{run}}"
Reason = Annotated[str, Meta(max_length=200)]
RunId = Annotated[str, Meta(pattern="^[A-Z][0-9]{1,15}$")]
Pace = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_PER_MINUTE,
        description="Customers to mark in a minute; 0: as many as the API rate limit lets through",
    ),
]


class RunsQuery(SpanQuery, frozen=True, kw_only=True):
    """A page of the runs of a kind, of a span of time, and of those that are `active` or not."""

    kind: RunKind | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class ReplayRequest(RequestModel, frozen=True):
    """Exactly one of customers, deliveries, dead_letters, everybody. `dry_run` counts and freezes, and starts nothing."""

    customers: Customers | UnsetType = UNSET
    deliveries: DeliveriesWanted | UnsetType = UNSET
    dead_letters: LettersWanted | UnsetType = UNSET
    everybody: bool = False
    dry_run: bool = False
    reason: Reason = ""
    per_minute: Pace = 0


class StartRequest(RequestModel, frozen=True):
    """How to run what was counted."""

    reason: Reason = ""
    per_minute: Pace = 0


class RunModel(ResponseModel, frozen=True):
    """A run: `total` customers, `remaining` of them not yet evaluated. While `pending`, a worker still adds customers.

    Of a replay: `counted` until somebody starts it; `deliveries` matched; `waiting` customers are not marked yet.
    """

    id: str
    kind: str
    by: str
    reason: str
    started_ms: int
    total: int
    remaining: int
    done: int
    failed: int
    scanned: int
    added: int
    removed: int
    ended: str
    pending: bool
    explains_removals: bool
    counted: bool
    selection: str
    deliveries: int
    waiting: int
    per_minute: int
    paused_by: str


class RunList(PageModel, frozen=True):
    """Newest first. A run is listed for 90 days."""

    runs: list[RunModel]


async def create_replay(context: Context, request: Request) -> RunModel:
    """Count customers and evaluate them again, in the bulk lane. Only differences are written.

    With `dry_run` the answer is a run that is only counted. It is kept for an hour, and can be started.
    """
    await context.shops.get_or_raise(request.org)
    body: ReplayRequest = request.model
    run = await count_replay(context, request.org, _selection(body), by=request.by)
    if not body.dry_run:
        run = await start_replay(
            context,
            request.org,
            run.id,
            by=request.by,
            reason=body.reason,
            per_minute=body.per_minute,
        )
    return to_run_model(run)


async def start_counted_replay(context: Context, request: Request) -> RunModel:
    """Start what was counted, with exactly the customers that were counted. A second call changes nothing."""
    await context.shops.get_or_raise(request.org)
    body: StartRequest = request.model
    run = await start_replay(
        context,
        request.org,
        request.path["run"],
        by=request.by,
        reason=body.reason,
        per_minute=body.per_minute,
    )
    return to_run_model(run)


async def pause_running_replay(context: Context, request: Request) -> RunModel:
    """Mark no more customers until the replay is resumed."""
    await context.shops.get_or_raise(request.org)
    run = await pause_replay(context, request.org, request.path["run"], by=request.by)
    return to_run_model(run)


async def resume_paused_replay(context: Context, request: Request) -> RunModel:
    """Go on with a paused replay."""
    await context.shops.get_or_raise(request.org)
    run = await resume_replay(context, request.org, request.path["run"], by=request.by)
    return to_run_model(run)


async def cancel_active_replay(context: Context, request: Request) -> RunModel:
    """End a replay. What was written stays."""
    await context.shops.get_or_raise(request.org)
    run = await cancel_replay(context, request.org, request.path["run"], by=request.by)
    return to_run_model(run)


async def list_runs(context: Context, request: Request) -> RunList:
    """The latest replays, publishes, claims and scans."""
    await context.shops.get_or_raise(request.org)
    query: RunsQuery = request.model
    wanted = RunFilter(
        kind=None if query.kind is UNSET else query.kind,
        active=None if query.active is UNSET else query.active,
        since_ms=to_ms(query.since) or 0,
        until_ms=to_ms(query.until),
    )
    after = decode_cursor(query, RunId)
    page = await runs.latest(context.redis, request.org, limit=query.limit + 1, after=after, wanted=wanted)
    shown = page[: query.limit]
    following = encode_cursor(shown[-1].id) if len(page) > query.limit else None
    return RunList([to_run_model(run) for run in shown], next=following)


async def run_status(context: Context, request: Request) -> RunModel:
    """The progress of a replay, publish, claim or scan."""
    await context.shops.get_or_raise(request.org)
    return to_run_model(await runs.get(context.redis, request.org, request.path["run"]))


def to_run_model(run: Run) -> RunModel:
    """A run as the API shows it, with its selection in words."""
    text = describe_run(run, words=translator_for("en"))
    return to_model(msgspec.structs.replace(run, selection=text), RunModel)


def _selection(body: ReplayRequest) -> Selection:
    return Selection(
        customers=() if body.customers is UNSET else tuple(map(CustomerId, body.customers)),
        deliveries=None if body.deliveries is UNSET else body.deliveries.to_filter(),
        dead_letters=None if body.dead_letters is UNSET else body.dead_letters.to_filter(),
        everybody=body.everybody,
    )


RUN_EXAMPLE: Final[dict[str, Any]] = {
    "id": "P17",
    "kind": "publish",
    "by": "an",
    "reason": "Hạ ngưỡng VIP cho Tết 2027",
    "started_ms": 1795150801000,
    "total": 4012,
    "remaining": 3200,
    "done": 812,
    "failed": 0,
    "scanned": 0,
    "added": 812,
    "removed": 0,
    "ended": "",
    "pending": False,
    "explains_removals": True,
    "counted": False,
    "selection": "",
    "deliveries": 0,
    "waiting": 0,
    "per_minute": 0,
    "paused_by": "",
}
REPLAY_EXAMPLE: Final[dict[str, Any]] = RUN_EXAMPLE | {
    "id": "R18",
    "kind": "replay",
    "reason": "sau sự cố",
    "explains_removals": False,
    "pending": True,
    "total": 1204,
    "remaining": 1204,
    "done": 0,
    "added": 0,
    "selection": "webhooks · topic orders/paid · since 20 Nov 2026 05:00 UTC",
    "deliveries": 1930,
    "waiting": 1204,
    "per_minute": 120,
}
ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{SHOP_PATH}/replays",
        create_replay,
        RunModel,
        REPLAY_EXAMPLE,
        ReplayRequest,
        {
            "count first": {
                "deliveries": {"since": "2026-11-22T08:00:00+07:00", "topics": ["orders/paid"]},
                "dry_run": True,
            },
            "some customers": {"customers": [1037889951], "reason": "sau sự cố"},
        },
        cpu_bound=True,
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        f"{REPLAY_PATH}/start",
        start_counted_replay,
        RunModel,
        REPLAY_EXAMPLE,
        StartRequest,
        {"two a second": {"reason": "sau sự cố", "per_minute": 120}},
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        f"{REPLAY_PATH}/pause",
        pause_running_replay,
        RunModel,
        REPLAY_EXAMPLE | {"paused_by": "an"},
        role=Role.OPS,
    ),
    Endpoint("POST", f"{REPLAY_PATH}/resume", resume_paused_replay, RunModel, REPLAY_EXAMPLE, role=Role.OPS),
    Endpoint(
        "POST",
        f"{REPLAY_PATH}/cancel",
        cancel_active_replay,
        RunModel,
        REPLAY_EXAMPLE | {"pending": False, "remaining": 0, "waiting": 0, "ended": "cancelled"},
        role=Role.OPS,
    ),
    Endpoint(
        "GET",
        f"{SHOP_PATH}/runs",
        list_runs,
        RunList,
        {"runs": [RUN_EXAMPLE], "next": "IlAxNyI"},
        RunsQuery,
        role=Role.VIEWER,
    ),
    Endpoint("GET", f"{SHOP_PATH}/runs/{{run}}", run_status, RunModel, RUN_EXAMPLE, role=Role.VIEWER),
)
