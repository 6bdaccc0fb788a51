"""Scans: a worker reads a shop's customers at Haravan, and queues those whose tags are wrong."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, UnsetType

from service.context import Context
from service.domain.access import Role
from service.operations import request_scan
from service.web.ops.activity.runs import RUN_EXAMPLE, RunModel, to_run_model
from service.web.ops.contract import SHOP_PATH, Endpoint, Moment, Request, RequestModel, to_ms

DAY_MS: Final = 86_400_000


class ReconcileRequest(RequestModel, frozen=True):
    """Customers that changed since this moment. Default: in the last 24 hours."""

    since: Moment | UnsetType = UNSET


async def start_backfill(context: Context, request: Request) -> RunModel:
    """Read all customers of the shop, and queue those with wrong tags: for a new shop, or after a loss of data.

    The first scan of a shop only reads. Its changes are written if they are few, and otherwise wait for an approval. Refused
    with 409 while another scan of the shop is in progress.
    """
    shop = await context.shops.get_or_raise(request.org)
    return to_run_model(await request_scan(context, shop, "backfill", since_ms=None, by=request.by))


async def start_reconcile(context: Context, request: Request) -> RunModel:
    """Read the customers that changed since a moment: after an outage, when webhooks may have been missed.

    Before the first scan of the shop is complete, this is its first scan, and reads all customers.
    """
    body: ReconcileRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    since_ms = await context.now_ms() - DAY_MS if body.since is UNSET else to_ms(body.since)
    return to_run_model(await request_scan(context, shop, "reconcile", since_ms=since_ms, by=request.by))


SCAN_EXAMPLE: Final[dict[str, Any]] = RUN_EXAMPLE | {
    "id": "B19",
    "kind": "backfill",
    "reason": "backfill",
    "pending": True,
    "explains_removals": False,
    "total": 0,
    "remaining": 0,
    "done": 0,
    "added": 0,
}
ENDPOINTS: Final = (
    Endpoint("POST", f"{SHOP_PATH}/backfill", start_backfill, RunModel, SCAN_EXAMPLE, role=Role.OPS),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/reconcile",
        start_reconcile,
        RunModel,
        SCAN_EXAMPLE | {"id": "C20", "kind": "reconcile", "reason": "reconcile"},
        ReconcileRequest,
        {"a day": {}, "since the outage": {"since": "2026-11-22T08:00:00+07:00"}},
        role=Role.OPS,
    ),
)
