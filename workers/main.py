"""build_worker(settings): the worker process's root, the only place of it where things are built."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.exceptions import RedisError

from service import alerts
from service.domain.customers import OrgId
from service.domain.failures import rebuild_delay_s
from service.ending import end
from service.settings import Settings
from service.store import queue
from service.store.bucket import LEAK_PER_S, Bucket
from service.store.cipher import Cipher
from service.store.connection import connect
from service.store.counters import Counters
from service.store.shops import Shops
from service.store.turns import Turns
from service.store.versions import Versions
from workers.drain import Drain
from workers.haravan.session import open_session
from workers.night import Nights
from workers.rounds import nights_for_ever, seed, sweep_for_ever, uninstalls_for_ever
from workers.rulebook import Rulebook
from workers.sweep import Sweep
from workers.uninstalls import Uninstalls

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

MAX_JOBS: Final = 50
POLL_S: Final = 0.05
SWEEP_EVERY_S: Final = 1.0
UNINSTALLS_EVERY_S: Final = 60.0
WELL_AFTER_S: Final = 15.0  # a worker that lived for so long had found its store
SHUT_DOWN_WITHIN_S: Final = 12.0  # a turn's 2 s and one call's 8 s
LAST_LOOK_S: Final = 2.0  # at the queue
SEEN_FOR_S: Final = 15


class WorkerProcess:
    """Runs drains and the sweep until it is told to stop; survives whatever Redis does."""

    def __init__(
        self,
        settings: Settings,
        *,
        leak_per_s: float = LEAK_PER_S,
        clock_ms: Callable[[], int] = lambda: 0,
        dice: Callable[[], float] | None = None,
        sweep_every_s: float = SWEEP_EVERY_S,
        poll_s: float = POLL_S,
        uninstalls_every_s: float = UNINSTALLS_EVERY_S,
    ) -> None:
        self._settings = settings
        self._leak_per_s = leak_per_s
        self._clock_ms = clock_ms
        self._dice = dice or secrets.SystemRandom().random
        self._sweep_every_s = sweep_every_s
        self._poll_s = poll_s
        self._uninstalls_every_s = uninstalls_every_s
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more work, let what runs finish, then end `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`. When arq's worker dies, which some Redis errors make it, build another."""
        async with AsyncExitStack() as stack:
            redis = connect(self._settings.redis_url)
            stack.push_async_callback(redis.aclose)
            session = await stack.enter_async_context(open_session())
            shops = Shops(redis, Cipher(self._settings.secret_keys))
            counters = Counters(redis)
            told = alerts.Alerts(redis, send=alerts.sender(self._settings.alert_urls))
            stack.push_async_callback(told.settled)
            drain = Drain(
                turns=Turns(
                    redis,
                    bucket=Bucket(redis, leak_per_s=self._leak_per_s, clock_ms=self._clock_ms),
                    clock_ms=self._clock_ms,
                ),
                shops=shops,
                session=session,
                counters=counters,
                alerts=told,
                dice=self._dice,
                rulebook=Rulebook(Versions(redis)),
            )
            sweep = Sweep(
                redis,
                shops,
                versions=Versions(redis),
                alerts=told,
                retention_days=self._settings.retention_days,
                clock_ms=self._clock_ms,
            )
            seeding = asyncio.create_task(seed(self._settings, shops, Versions(redis)))
            sweeping = asyncio.create_task(sweep_for_ever(sweep, counters, every_s=self._sweep_every_s))
            nights = Nights(
                redis=redis,
                shops=shops,
                versions=Versions(redis),
                rulebook=Rulebook(Versions(redis)),
                bucket=drain.turns.bucket,
                session=session,
                counters=counters,
                alerts=told,
                subscribe_url=self._settings.subscribe_url,
                now_ms=sweep.now_ms,
            )
            uninstalls = Uninstalls(
                redis=redis,
                shops=shops,
                bucket=drain.turns.bucket,
                session=session,
                alerts=told,
                now_ms=sweep.now_ms,
            )
            uninstalling = asyncio.create_task(
                uninstalls_for_ever(uninstalls, every_s=self._uninstalls_every_s)
            )
            nightly = asyncio.create_task(nights_for_ever(nights))
            try:
                await self._work(drain)
            finally:
                await end(seeding, sweeping, uninstalling, nightly)
                await _quietly(counters.flush())

    async def _work(self, drain: Drain) -> None:
        attempts = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            pool = connect(self._settings.redis_url)  # one of the worker's own: its close() ends it
            worker = self._arq(drain, pool)
            try:
                await self._until_stopped(worker)
            except (TimeoutError, RedisError, OSError) as exc:
                attempts = 1 if time.monotonic() - started > WELL_AFTER_S else attempts + 1
                wait_s = rebuild_delay_s(attempts, self._dice())
                structlog.get_logger().warning(
                    "worker", outcome="rebuilt", cause=type(exc).__name__, again_in_s=round(wait_s, 2)
                )
                await _first(self._stopping.wait(), asyncio.sleep(wait_s))
            finally:
                await _quietly(worker.close())
                await _quietly(pool.aclose())  # close() does not get there when a job was cancelled

    async def _until_stopped(self, worker: Worker) -> None:
        """Run arq's worker; on `stop` pick no more jobs and wait for those that run."""
        running = asyncio.create_task(worker.async_run())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if running.done():
            await running
            return
        worker.allow_pick_jobs = False
        if worker.tasks:
            await asyncio.wait(list(worker.tasks.values()), timeout=SHUT_DOWN_WITHIN_S)
        # It ends by itself before its next look at the queue. Cancelled in the middle of one, it would now and then
        # leave a connection behind that still waits for an answer.
        worker.burst, worker.max_burst_jobs = True, 0
        await asyncio.wait({running}, timeout=LAST_LOOK_S)
        await end(running)  # it may also have ended of a store that went away meanwhile

    def _arq(self, drain: Drain, pool: ArqRedis) -> Worker:
        async def drain_job(_: dict[Any, Any], org: str) -> None:
            try:
                await drain(OrgId(org))
            except (RedisError, OSError) as exc:  # the marks stay and the sweep rings again
                structlog.get_logger().warning(
                    "drain", org=org, outcome="store away", cause=type(exc).__name__
                )

        return Worker(
            functions=[func(cast("WorkerCoroutine", drain_job), name=queue.DRAIN)],
            redis_pool=pool,
            queue_name=queue.DRAIN_QUEUE,
            handle_signals=False,
            max_jobs=MAX_JOBS,
            poll_delay=self._poll_s,
            queue_read_limit=1000,  # with fewer, a hundred locked ids at the head stall the queue
            job_timeout=60,
            max_tries=1_000_000,  # a drain may run again as often as it likes
            keep_result=0,  # a kept result would block the next job of the same id for an hour
            health_check_interval=SEEN_FOR_S,
            health_check_key=f"tagger:worker:{socket.gethostname()}:{os.getpid()}",
            log_results=False,
            allow_abort_jobs=False,
            expires_extra_ms=queue.EXPIRES_EXTRA_MS,
            job_serializer=queue.serialize,
            job_deserializer=queue.deserialize,
        )


def build_worker(settings: Settings) -> WorkerProcess:
    """The worker process as the environment wants it."""
    return WorkerProcess(settings)


async def _first(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _quietly(closing: Any) -> None:
    """Closing what is broken already may fail; nothing is lost by that."""
    try:
        await closing
    except (RedisError, OSError, asyncio.CancelledError):
        structlog.get_logger().debug("closing failed")
