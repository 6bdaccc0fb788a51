"""Scans that people ask for: a worker reads a shop's customers at Haravan, and a run has the progress."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import OrgId
from service.errors import Refused
from service.sentence import Sentence
from service.store.history import audit_log
from service.store.jobs import PendingJob, Run, pending, runs
from service.store.shops import Shop

RequestedScan = Literal["backfill", "reconcile"]


class ScanArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `scan`. `since_ms` None: all customers."""

    kind: RequestedScan
    by: str
    since_ms: int | None


async def request_scan(
    context: Context, shop: Shop, kind: RequestedScan, *, since_ms: int | None, by: Actor
) -> Run:
    """Ask for a scan of the shop, and return its run. A worker begins within seconds.

    Until the shop's first look is complete, every scan is its first look, and reads all customers. Raises Refused without
    rules, and while another scan that somebody asked for is in progress.
    """
    await _require_rules(context, shop)
    if shop.first_look != "complete":
        kind, since_ms = "backfill", None
    for job in await pending.list_jobs(context.redis, shop.org):
        if job.kind == "scan":
            raise Refused(Sentence("the scan {run} of this shop is in progress", run=job.id))
    async with audit_log.recorded(context.redis, by, kind, org=shop.org, summary=describe_scan(since_ms)):
        run_id = await runs.next_id(context.redis, shop.org, kind)
        now_ms = await context.now_ms()
        args = msgspec.to_builtins(ScanArgs(kind, by.name, since_ms))
        async with context.redis.pipeline() as pipe:
            runs.queue_create(pipe, shop.org, run_id, kind=kind, by=by.name, reason=kind, now_ms=now_ms)
            runs.queue_pending(pipe, shop.org, run_id)
            pending.queue_save(pipe, PendingJob(shop.org, "scan", run_id, args))
            await pipe.execute()
    return await runs.get(context.redis, shop.org, run_id)


async def _require_rules(context: Context, shop: Shop) -> None:
    """Raises Refused if a scan could find nothing wrong: the shop has no rules, and its first look is complete."""
    if shop.first_look == "complete" and not await context.versions.live_number(shop.org):
        raise no_rules(shop.org)


def no_rules(org: OrgId) -> Refused:
    """What is raised when a shop without rules is scanned."""
    return Refused(
        Sentence("shop {org} has no rules yet; publish rules: tagger rules publish {org} FILE", org=org)
    )


def describe_scan(since_ms: int | None) -> Sentence:
    """Which customers a scan reads, for the audit log."""
    if since_ms is None:
        return Sentence("all customers")
    since = datetime.fromtimestamp(since_ms / 1000, UTC).isoformat(timespec="seconds")
    return Sentence("customers changed since {since}", since=since)
