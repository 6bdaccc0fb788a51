"""The composition root of a worker process."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from arq.connections import ArqRedis
from arq.worker import Retry, Worker, func
from redis.exceptions import RedisError

from service.alerts import Alerts, apprise_sender
from service.context import Context
from service.cpu_pool import CpuPool
from service.domain.customers import OrgId
from service.domain.sync import reconnect_delay_s
from service.recovery import Recovery, unfit_alert
from service.runtime import BackgroundTasks, cancel_and_wait, last_frames
from service.seeding import seed_or_log
from service.settings import Settings
from service.store.client import (
    DRAIN_QUEUE,
    EXPIRES_EXTRA_MS,
    Store,
    StoreMonitor,
    StoreUnfit,
    connect,
    connect_queue,
    deserialize,
    serialize,
)
from service.store.encryption import KeyRing
from service.store.jobs import Counters, turns
from service.store.move import follow
from service.store.queue import DRAIN_JOB, LEAK_PER_S, LeaseManager, Liveness, RateLimiter
from service.store.rules import CompiledRulesCache, Versions
from service.store.shops import TOKEN_CHECK_JOB, ShopRepository
from workers.drain import Drain
from workers.events import EVENT_JOB, EventDelivery, open_sender
from workers.haravan import open_session
from workers.periodic import (
    HaravanJobs,
    Housekeeping,
    NightlyReconcile,
    PendingJobs,
    Sweep,
    UninstallMonitor,
    run_every,
)
from workers.store_outage import SETTLED_S, StoreOutage
from workers.token_checks import TokenChecks

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

MAX_JOBS: Final = 50
POLL_S: Final = 0.05
SWEEP_INTERVAL_S: Final = 1.0
STORE_CHECK_INTERVAL_S: Final = 1.0
FIRST_CHECK_TIMEOUT_S: Final = 3.0
SCHEDULE_INTERVAL_S: Final = 30.0
EVENT_INTERVAL_S: Final = 1.0
HOUSEKEEPING_INTERVAL_S: Final = 3600.0
UNINSTALL_INTERVAL_S: Final = 60.0
NIGHTLY_INTERVAL_S: Final = 60.0
HEALTHY_AFTER_S: Final = (
    15.0  # a worker that ran this long was connected: its next failure counts as the first
)
SHUTDOWN_TIMEOUT_S: Final = (
    12.0  # a run's 2 s and one call's 8 s; after that, a call that takes long is in doubt
)
LAST_POLL_TIMEOUT_S: Final = 2.0
HEALTH_CHECK_INTERVAL_S: Final = 15


class WorkerProcess:
    """Runs drains and periodic jobs until it is stopped. Survives every failure of Redis."""

    def __init__(
        self,
        settings: Settings,
        *,
        leak_per_s: float = LEAK_PER_S,
        clock_ms: Callable[[], int] = lambda: 0,
        jitter: Callable[[], float] | None = None,
        sweep_interval_s: float = SWEEP_INTERVAL_S,
        poll_s: float = POLL_S,
        uninstall_interval_s: float = UNINSTALL_INTERVAL_S,
        nightly_interval_s: float = NIGHTLY_INTERVAL_S,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._settings = settings
        self._leak_per_s = leak_per_s
        self._clock_ms = clock_ms
        self._jitter = jitter or secrets.SystemRandom().random
        self._sweep_interval_s = sweep_interval_s
        self._poll_s = poll_s
        self._uninstall_interval_s = uninstall_interval_s
        self._nightly_interval_s = nightly_interval_s
        self._settled_s = settled_s
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more work, let running jobs finish, then return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`. If arq's worker dies, which some Redis errors cause, build another."""
        settings = self._settings
        async with AsyncExitStack() as stack:
            redis = connect(settings.redis_url, queue_url=settings.queue_url)
            stack.push_async_callback(redis.aclose)
            session = await stack.enter_async_context(open_session())
            shops = ShopRepository(redis, KeyRing(settings.secret_keys))
            context = Context(redis, shops, Versions(redis), self._clock_ms)
            counters = Counters(redis)
            alerts = Alerts(redis, send=apprise_sender(settings.alert_urls))
            stack.push_async_callback(alerts.drain)
            cpu = CpuPool(settings)
            stack.push_async_callback(cpu.stop)
            rate_limiter = RateLimiter(redis, leak_per_s=self._leak_per_s, clock_ms=self._clock_ms)
            rules_cache = CompiledRulesCache(context.versions)
            outage = StoreOutage(alerts, settled_s=self._settled_s)
            liveness = Liveness(redis)
            drain = Drain(
                leases=LeaseManager(
                    redis,
                    rate_limiter=rate_limiter,
                    clock_ms=self._clock_ms,
                    process_channel=liveness.channel,
                ),
                shops=shops,
                session=session,
                counters=counters,
                alerts=alerts,
                jitter=self._jitter,
                rules_cache=rules_cache,
            )
            sweep = Sweep(context, alerts)
            nightly = NightlyReconcile(
                context=context,
                rules_cache=rules_cache,
                rate_limiter=rate_limiter,
                session=session,
                counters=counters,
                alerts=alerts,
                subscribe_url=settings.subscribe_url,
            )
            uninstalls = UninstallMonitor(context, rate_limiter, session, alerts)
            jobs = PendingJobs(context, cpu, alerts)
            haravan_jobs = PendingJobs(
                context,
                cpu,
                execute=HaravanJobs(
                    session=session,
                    rate_limiter=rate_limiter,
                    rules_cache=rules_cache,
                    counters=counters,
                    subscribe_url=settings.subscribe_url,
                ).execute,
                at_haravan=True,
            )
            token_checks = TokenChecks(context, session, rate_limiter, counters)
            sender = await stack.enter_async_context(open_sender(settings.event_networks))
            events = EventDelivery(context, sender, counters, alerts, self._jitter)
            housekeeping = Housekeeping(context, settings.retention_days)
            monitor = StoreMonitor(
                redis,
                settings.durability,
                on_change=Recovery(
                    redis, shops, alerts, seed=partial(seed_or_log, settings, shops, context.versions)
                ),
                on_unfit=unfit_alert(alerts),
                follow=partial(follow, redis, shops.keyring),
            )
            with suppress(TimeoutError, RedisError, OSError, StoreUnfit):
                async with asyncio.timeout(FIRST_CHECK_TIMEOUT_S):
                    await monitor.check()
            periodic = BackgroundTasks()
            periodic.start(
                run_every(STORE_CHECK_INTERVAL_S, partial(_check_store, monitor), "store_check", outage)
            )
            periodic.start(run_every(self._sweep_interval_s, liveness.announce, "worker", outage))
            periodic.start(run_every(self._sweep_interval_s, sweep.run, "sweep", outage))
            periodic.start(run_every(self._sweep_interval_s, counters.flush, "worker", outage))
            periodic.start(
                run_every(SCHEDULE_INTERVAL_S, partial(_check_shops, redis, sweep), "sweep", outage)
            )
            periodic.start(run_every(EVENT_INTERVAL_S, events.sweep, "event_delivery", outage))
            periodic.start(run_every(HOUSEKEEPING_INTERVAL_S, housekeeping.run, "housekeeping", outage))
            interval_s = self._uninstall_interval_s
            check_uninstalls = partial(_check_uninstalls, redis, uninstalls, interval_s)
            periodic.start(run_every(interval_s, check_uninstalls, "uninstall_check", outage))
            interval_s = self._nightly_interval_s
            run_nightly = partial(_run_nightly, redis, nightly, interval_s)
            periodic.start(run_every(interval_s, run_nightly, "nightly", outage, overlapping=True))
            periodic.start(
                run_every(self._sweep_interval_s, jobs.run, "pending_job", outage, overlapping=True)
            )
            periodic.start(
                run_every(self._sweep_interval_s, haravan_jobs.run, "pending_job", outage, overlapping=True)
            )
            try:
                with suppress(TimeoutError):
                    await asyncio.wait_for(liveness.wait_until_announced(), FIRST_CHECK_TIMEOUT_S)
                await self._work(drain, events, token_checks, monitor, outage)
            finally:
                await periodic.cancel()
                await _close_quietly(counters.flush())

    async def _work(
        self,
        drain: Drain,
        events: EventDelivery,
        token_checks: TokenChecks,
        monitor: StoreMonitor,
        outage: StoreOutage,
    ) -> None:
        attempts = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            pool = connect_queue(
                self._settings.queue_url or self._settings.redis_url
            )  # not shared: the worker's close() closes it
            worker = self._arq(drain, events, token_checks, pool, monitor, outage)
            try:
                await self._until_stopped(worker)
            except (RedisError, OSError) as exc:
                attempts = 1 if time.monotonic() - started > HEALTHY_AFTER_S else attempts + 1
                wait_s = reconnect_delay_s(attempts, self._jitter())
                if not outage.report_failure(exc):
                    structlog.get_logger().warning("worker", outcome="rebuilt", cause=last_frames(exc))
                await _wait_for_first(self._stopping.wait(), asyncio.sleep(wait_s))
            finally:
                await _close_quietly(worker.close())
                await _close_quietly(pool.aclose())  # close() does not close it if a job was cancelled

    async def _until_stopped(self, worker: Worker) -> None:
        """Run arq's worker. On `stop`, pick no more jobs and wait for the running ones."""
        running = asyncio.create_task(worker.async_run())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if running.done():
            await running
            return
        worker.allow_pick_jobs = False
        if worker.tasks:
            await asyncio.wait(list(worker.tasks.values()), timeout=SHUTDOWN_TIMEOUT_S)
        # It then ends before its next poll of the queue. A cancellation in the middle of a poll would now and then
        # leak a connection that still waits for a reply.
        worker.burst, worker.max_burst_jobs = True, 0
        await asyncio.wait({running}, timeout=LAST_POLL_TIMEOUT_S)
        await cancel_and_wait(running)  # it may also have failed because Redis went away

    def _arq(
        self,
        drain: Drain,
        events: EventDelivery,
        token_checks: TokenChecks,
        pool: ArqRedis,
        monitor: StoreMonitor,
        outage: StoreOutage,
    ) -> Worker:
        async def drain_job(_: dict[Any, Any], org: str) -> None:
            if (
                not monitor.is_fit
            ):  # what we own would be written to a server that may lose it; a sweep wakes the shop
                structlog.get_logger().warning("drain", org=org, outcome="store_unfit")
                return
            try:
                await drain(OrgId(org))
            except (RedisError, OSError) as exc:  # the marks stay, and the sweep wakes the shop again
                if not outage.report_failure(exc):
                    structlog.get_logger().error("drain", org=org, outcome="error", cause=last_frames(exc))

        async def event_job(_: dict[Any, Any], org: str, endpoint_id: str) -> None:
            if not monitor.is_fit:  # how far an endpoint is could be lost
                return
            try:
                has_more = await events(OrgId(org), endpoint_id)
            except (RedisError, OSError) as exc:  # the next sweep enqueues the job again
                if not outage.report_failure(exc):
                    structlog.get_logger().error(
                        "event_delivery", org=org, outcome="error", cause=last_frames(exc)
                    )
                return
            if has_more:
                raise Retry(defer=0)  # the job stays in the queue under its id, behind others

        async def token_check_job(_: dict[Any, Any], org: str, check: str) -> None:
            try:
                await token_checks(OrgId(org), check)
            except (RedisError, OSError) as exc:  # the process that asked is told that nobody answers
                outage.report_failure(exc)

        return Worker(
            functions=[
                func(cast("WorkerCoroutine", drain_job), name=DRAIN_JOB),
                func(cast("WorkerCoroutine", event_job), name=EVENT_JOB),
                func(cast("WorkerCoroutine", token_check_job), name=TOKEN_CHECK_JOB),
            ],
            redis_pool=pool,
            queue_name=DRAIN_QUEUE,
            handle_signals=False,
            max_jobs=MAX_JOBS,
            poll_delay=self._poll_s,
            queue_read_limit=1000,  # with fewer, a hundred locked ids at the head block the queue
            job_timeout=60,
            max_tries=1_000_000,  # no limit: the marks are the truth, not the job
            keep_result=0,  # a kept result would block the next job with the same id for an hour
            health_check_interval=HEALTH_CHECK_INTERVAL_S,
            health_check_key=f"tagger:worker:{socket.gethostname()}:{os.getpid()}",
            log_results=False,
            allow_abort_jobs=False,
            expires_extra_ms=EXPIRES_EXTRA_MS,
            job_serializer=serialize,
            job_deserializer=deserialize,
        )


def build_worker(settings: Settings) -> WorkerProcess:
    """The worker process for these settings."""
    return WorkerProcess(settings)


async def _check_store(monitor: StoreMonitor) -> None:
    with suppress(StoreUnfit):  # logged by the monitor
        await monitor.check()


async def _check_shops(redis: Store, sweep: Sweep) -> None:
    """Partition by partition: other workers take the others meanwhile."""
    async for number in turns(redis, "check_shops", interval_s=SCHEDULE_INTERVAL_S):
        await sweep.check_shops([number])


async def _check_uninstalls(redis: Store, uninstalls: UninstallMonitor, interval_s: float) -> None:
    if partitions := [number async for number in turns(redis, "uninstalls", interval_s=interval_s)]:
        await uninstalls.run(partitions)


async def _run_nightly(redis: Store, nightly: NightlyReconcile, interval_s: float) -> None:
    """A worker that has no room for another shop leaves the turns to others."""
    if not nightly.has_room:
        return
    if partitions := [number async for number in turns(redis, "nightly", interval_s=interval_s)]:
        await nightly.run(partitions)


async def _wait_for_first(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _close_quietly(closing: Any) -> None:
    """Await a cleanup. A broken connection may fail to close; nothing is lost."""
    try:
        await closing
    except (RedisError, OSError, asyncio.CancelledError):
        structlog.get_logger().debug("close_failed")
