"""Executes pending jobs: rollouts, scheduled publishes, claims, erasures, ends of freezes and first looks, replays, restored shops.

Several workers share them. The jobs of one shop are executed by one worker at a time, under a lock that is renewed.
When the worker dies, the lock expires and another worker goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from service.alerts import Alerts
from service.backup import execute_restored
from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.customers import OrgId
from service.errors import EvaluationDied, Overloaded
from service.operations import claims, replay
from service.publishing import first_look, freeze, rollout, scheduled
from service.runtime import cancel_and_wait
from service.store.jobs import RENEW_INTERVAL_S, JobKind, PendingJob, pending
from service.store.shops import deletion
from workers.store_outage import describe_outage

RETRY_DELAY_MS: Final = 30_000  # after a failure that an immediate retry would repeat


async def _erase(context: Context, _: CpuRunner, job: PendingJob) -> bool:
    return await deletion.resume_deletion(context.redis, job, now_ms=context.now_ms)


Execute = Callable[[Context, CpuRunner, PendingJob], Awaitable[bool]]
EXECUTE: Final[dict[JobKind, Execute]] = {
    "rollout": rollout.execute,
    "late_restores": rollout.execute_late,
    "claim": claims.execute,
    "erasure": _erase,
    "first_look": first_look.execute,
    "replay": replay.execute,
    "restored": execute_restored,
    "end_of_freeze": freeze.execute,
    "scheduled_publish": scheduled.execute,
}
"""How each kind is executed that needs nothing but the store. `HaravanJobs` has the others."""
STEPWISE: Final[frozenset[JobKind]] = frozenset({"replay"})  # a step of these is no event of the log


@dataclass(frozen=True, slots=True)
class PendingJobs:
    """One pass a second in every worker. A pass skips the shops that an earlier pass is still busy with.

    `execute` has the kinds of jobs that it executes. Those at Haravan (`at_haravan`) have a lock of their own.
    """

    context: Context
    cpu: CpuRunner
    alerts: Alerts | None = None
    renew_interval_s: float = RENEW_INTERVAL_S
    execute: Mapping[JobKind, Execute] = field(default_factory=lambda: EXECUTE)
    at_haravan: bool = False
    _busy: set[OrgId] = field(default_factory=set)

    async def run(self) -> int:
        """Execute every due job of the shops that no worker is busy with. Returns how many were completed."""
        jobs = await self._due(None)
        orgs = sorted({job.org for job in jobs} - self._busy)
        results = await asyncio.gather(*(self._run_shop(org) for org in orgs), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result  # Redis is away, or a bug; the other shops had their turn
        return sum(result for result in results if isinstance(result, int))

    async def _run_shop(self, org: OrgId) -> int:
        self._busy.add(org)
        try:
            return await self._under_lock(
                org, pending.lock(self.context.redis, org, at_haravan=self.at_haravan)
            )
        finally:
            self._busy.discard(org)

    async def _under_lock(self, org: OrgId, lock: Lock) -> int:
        if not await lock.acquire():
            return 0
        work = asyncio.create_task(self._execute_all(org))
        renewal = asyncio.create_task(self._renew(lock, work))
        try:
            await asyncio.wait({work})
            return 0 if work.cancelled() else work.result()
        finally:
            await cancel_and_wait(work, renewal)
            await _release(lock)

    async def _renew(self, lock: Lock, work: asyncio.Task[int]) -> None:
        """Renew the lock. If another worker has it, because this process was suspended, cancel the work."""
        while True:
            await asyncio.sleep(self.renew_interval_s)
            try:
                await lock.reacquire()
            except LockError:
                work.cancel()
                return
            except (RedisError, OSError):  # Redis is away: the work fails as well, or continues
                continue

    async def _execute_all(self, org: OrgId) -> int:
        completed = 0
        for job in sorted(await self._due(org), key=_order):
            if job in await self._due(org):
                completed += await self._execute(job)
        return completed

    async def _execute(self, job: PendingJob) -> bool:
        log = structlog.get_logger().bind(org=job.org, kind=job.kind, job=job.id)
        try:
            if job.kind != "erasure" and not await self.context.shops.exists(job.org):  # removed meanwhile
                await self._delete(job)
                return False
            completed = await self.execute[job.kind](self.context, self.cpu, job)
        except Exception as exc:  # a broken job must not block the next ones
            if describe_outage(exc) is not None:
                raise
            if isinstance(exc, Overloaded) and not isinstance(exc, EvaluationDied):
                log.warning("pending_job", outcome="retry", cause=type(exc).__name__)
                return False
            log.exception("pending_job", outcome="failed", cause=type(exc).__name__)
            due_ms = await self.context.now_ms() + RETRY_DELAY_MS
            failed = msgspec.structs.replace(job, due_ms=due_ms, failures=job.failures + 1)
            await pending.save(self.context.redis, failed)
            return False
        if completed or job.kind not in STEPWISE:
            log.info("pending_job", outcome="completed" if completed else "retry")
        if completed and self.alerts is not None:
            await _alert(self.context, self.alerts, job)
        return completed

    async def _delete(self, job: PendingJob) -> None:
        async with self.context.redis.pipeline() as pipe:
            pending.queue_delete(pipe, job)
            await pipe.execute()

    async def _due(self, org: OrgId | None) -> list[PendingJob]:
        jobs = [job for job in await pending.list_jobs(self.context.redis, org) if job.kind in self.execute]
        if not jobs:
            return []
        now_ms = await self.context.now_ms()
        return [job for job in jobs if job.due_ms <= now_ms]


async def _alert(context: Context, alerts: Alerts, job: PendingJob) -> None:
    """Tell somebody if what a job did needs a person, or is large enough that everybody should know."""
    org = job.org
    match job.kind:
        case "first_look":
            if (await context.shops.describe(org)).first_look == "waiting":
                alerts.raise_alert(
                    "first_look_waiting",
                    "all customers have been read, and more of them would change than a publish may change without an "
                    f"approval. Nothing is written until then. Preview: tagger shops approve {org} --dry-run",
                    org=org,
                )
        case "end_of_freeze":
            freeze = (await context.shops.describe(org)).freeze
            if freeze is not None and freeze.waiting_ms:
                alerts.raise_alert(
                    "freeze_waiting",
                    "the last day of the freeze is over, and more customers would change than a publish may change "
                    "without an approval. Nothing is written until then. "
                    f"Preview: tagger shops unfreeze {org} --dry-run",
                    org=org,
                )
        case "scheduled_publish":
            await _alert_scheduled(context, alerts, org)
        case "rollout" if rollout.is_large(job):
            version = await context.versions.get(org, rollout.version_of(job))
            preview = version.preview or {}
            alerts.raise_alert(
                "large_publish",
                f"a publish beyond the guard was approved: version {version.number} changes {preview['touched']} of "
                f"{preview['customers']} customers. If it is a mistake: tagger rules rollback {org} {version.parent}",
                org=org,
            )


async def _alert_scheduled(context: Context, alerts: Alerts, org: OrgId) -> None:
    entry, live = await scheduled.find(context, org), await context.versions.live(org)
    if entry is not None and entry.stop is not None:
        alerts.raise_alert(
            "scheduled_publish_stopped",
            f"{scheduled.describe_stop(entry)}. Preview: tagger rules publish-scheduled {org} --dry-run",
            org=org,
        )
    elif live is not None and scheduled.is_late(live):
        alerts.raise_alert(
            "scheduled_publish_late",
            f"version {live.number} was due {(live.at_ms - live.scheduled_ms) // 60_000} minutes earlier: no worker ran then",
            org=org,
        )


def _order(job: PendingJob) -> tuple[bool, int]:
    """Rollouts first, the newest first, because it completes the older ones. Then all other jobs in their order."""
    is_rollout = job.kind == "rollout"
    return (not is_rollout, -job.number if is_rollout else job.number)


async def _release(lock: Lock) -> None:
    with suppress(LockError):  # another worker has it
        await lock.release()
