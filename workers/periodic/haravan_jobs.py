"""Pending jobs that speak to Haravan: scans, and changes of the webhook subscription.

They run under a lock of their own, because a scan takes long, and a rollout of the same shop must not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import msgspec
import structlog

from service.context import Context
from service.cpu_pool import CpuRunner
from service.errors import TaggerError
from service.operations import ScanArgs
from service.store.jobs import Counters, JobKind, PendingJob, pending, runs
from service.store.queue import RateLimiter
from service.store.rules import CompiledRulesCache
from service.store.shops import SubscribedTopic, subscription
from workers.haravan import Haravan, Subscription, WaitingPermits, count_requests
from workers.periodic.pending_jobs import Execute
from workers.scan import build_scan


@dataclass(frozen=True, slots=True)
class HaravanJobs:
    """What a worker needs for them."""

    session: aiohttp.ClientSession
    rate_limiter: RateLimiter
    rules_cache: CompiledRulesCache
    counters: Counters
    subscribe_url: str

    @property
    def execute(self) -> Mapping[JobKind, Execute]:
        """How each kind is executed."""
        return {"scan": self._scan, "subscription": self._change_subscription}

    async def _scan(self, context: Context, _: CpuRunner, job: PendingJob) -> bool:
        """Scan the shop. A scan that fails is not tried again: its run says so, and people see the shop's state."""
        args = msgspec.convert(job.args, ScanArgs)
        try:
            shop = await context.shops.get_or_raise(job.org)
            scan = await build_scan(
                context,
                shop,
                Haravan.for_shop(shop, self.session, on_request=count_requests(self.counters)),
                permits=WaitingPermits(self.rate_limiter, shop.org, lane="bulk", reserve=shop.reserve),
                rules_cache=self.rules_cache,
                on_repair=lambda cause, count: self.counters.add("reconcile_repairs", count, cause=cause),
            )
            if scan is None:  # the rules are gone meanwhile
                await runs.fail(context.redis, job.org, job.id)
            else:
                await scan(args.kind, by=args.by, since_ms=args.since_ms, run_id=job.id)
        except TaggerError as exc:
            structlog.get_logger().warning(
                "pending_job", org=job.org, kind=job.kind, outcome="failed", cause=str(exc)
            )
            await runs.fail(context.redis, job.org, job.id)
        async with context.redis.pipeline() as pipe:
            pending.queue_delete(pipe, job)
            await pipe.execute()
        return True

    async def _change_subscription(self, context: Context, _: CpuRunner, job: PendingJob) -> bool:
        """Do what was asked for, and save what Haravan then says."""
        redis, org = context.redis, job.org
        known = await subscription.load(redis, org)
        try:
            shop = await context.shops.get_or_raise(org)
            at_haravan = Subscription(self.session, address=self.subscribe_url, token=shop.token)
            if known.action == "subscribe":
                await at_haravan.subscribe()
            elif known.action == "unsubscribe":
                await at_haravan.unsubscribe()
            events = await at_haravan.list_events()
        except TaggerError as exc:  # Haravan refuses or is away, or the token cannot be read
            after = msgspec.structs.replace(known, action=None, failure=str(exc))
        else:
            topics = tuple(SubscribedTopic(event.event, event.url) for event in events)
            now_ms = await context.now_ms()
            after = msgspec.structs.replace(known, action=None, failure="", topics=topics, checked_ms=now_ms)
        async with redis.pipeline() as pipe:
            subscription.queue_save(pipe, org, after)
            pending.queue_delete(pipe, job)
            await pipe.execute()
        return True
