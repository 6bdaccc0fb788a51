"""Replays, and the progress of runs."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.operations import create_replay, select_customers
from service.store.jobs import runs
from service.web.ops.requests import (
    SHOP_PATH,
    CustomerNumber,
    Endpoint,
    Moment,
    Request,
    RequestModel,
    ResponseModel,
    to_model,
    to_ms,
)

Topic = Annotated[str, Meta(min_length=1, max_length=64)]


class ReplayRequest(RequestModel, frozen=True):
    """Exactly one of customers, since, dead_letters, everybody. `dry_run` only counts the customers."""

    customers: Annotated[list[CustomerNumber], Meta(min_length=1, max_length=10_000)] | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    topics: Annotated[list[Topic], Meta(min_length=1, max_length=20)] | UnsetType = UNSET
    dead_letters: bool = False
    everybody: bool = False
    dry_run: bool = False
    reason: Annotated[str, Meta(max_length=200)] = ""


class RunModel(ResponseModel, frozen=True):
    """A run: `total` customers, `remaining` of them not yet evaluated. While `pending`, a worker still adds customers."""

    id: str
    kind: str
    by: str
    reason: str
    started_ms: int
    total: int
    remaining: int
    done: int
    failed: int
    added: int
    removed: int
    ended: str
    pending: bool
    explains_removals: bool


class RunList(ResponseModel, frozen=True):
    """Newest first."""

    runs: list[RunModel]


class ReplayResponse(ResponseModel, frozen=True):
    """The customers of a replay; `run` is null with `dry_run`."""

    customers: int
    selection: str
    run: RunModel | None


async def start_replay(context: Context, request: Request) -> ReplayResponse:
    """Evaluate customers again, in the bulk lane. Only differences are written, so it can be repeated safely."""
    await context.shops.get_or_raise(request.org)
    body: ReplayRequest = request.model
    selection = await select_customers(
        context,
        request.org,
        customers=[] if body.customers is UNSET else [*map(CustomerId, body.customers)],
        since_ms=to_ms(body.since),
        until_ms=to_ms(body.until),
        topics=[] if body.topics is UNSET else body.topics,
        dead_letters=body.dead_letters,
        everybody=body.everybody,
    )
    if body.dry_run:
        return ReplayResponse(len(selection.customers), selection.description, None)
    run = await create_replay(
        context,
        request.org,
        selection,
        by=request.by,
        reason=body.reason,
    )
    return ReplayResponse(len(selection.customers), selection.description, to_model(run, RunModel))


async def list_runs(context: Context, request: Request) -> RunList:
    """The latest replays, publishes, claims and scans."""
    await context.shops.get_or_raise(request.org)
    return RunList([to_model(run, RunModel) for run in await runs.latest(context.redis, request.org)])


async def run_status(context: Context, request: Request) -> RunModel:
    """The progress of a replay, publish, claim or scan."""
    await context.shops.get_or_raise(request.org)
    return to_model(await runs.get(context.redis, request.org, request.path["run"]), RunModel)


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
    "added": 812,
    "removed": 0,
    "ended": "",
    "pending": False,
    "explains_removals": True,
}
ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{SHOP_PATH}/replays",
        start_replay,
        ReplayResponse,
        {
            "customers": 1204,
            "selection": "deliveries since 2026-11-20T05:00:00+00:00",
            "run": RUN_EXAMPLE
            | {"id": "R16", "kind": "replay", "reason": "sau sự cố", "explains_removals": False},
        },
        ReplayRequest,
        {
            "count first": {"since": "2026-11-22T08:00:00+07:00", "dry_run": True},
            "some customers": {"customers": [1037889951], "reason": "sau sự cố"},
        },
        cpu_bound=True,
        role=Role.OPS,
    ),
    Endpoint("GET", f"{SHOP_PATH}/runs", list_runs, RunList, {"runs": [RUN_EXAMPLE]}, role=Role.VIEWER),
    Endpoint("GET", f"{SHOP_PATH}/runs/{{run}}", run_status, RunModel, RUN_EXAMPLE, role=Role.VIEWER),
)
