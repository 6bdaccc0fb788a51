"""What a worker does beside its drains: it seeds, it sweeps, it has its nights, it looks after uninstalled apps.

All of it outlives the store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.exceptions import RedisError

from service.errors import TaggerError
from service.settings import Settings
from service.store.counters import Counters
from service.store.shops import Shops
from service.store.versions import Versions
from service.tasks import cancel_and_wait
from workers.periodic.nightly import NightlyReconcile
from workers.periodic.pending_jobs import PendingJobs
from workers.periodic.uninstall import UninstallMonitor
from workers.sweep import Sweep

NIGHTS_EVERY_S: Final = 60.0


async def seed(settings: Settings, shops: Shops, versions: Versions) -> None:
    """The environment's shop and RULES_FILE, as soon as Redis is there."""
    while True:
        try:
            seeded = await shops.seed_from(settings)
            if seeded is not None:
                await versions.seed_from(settings, seeded.org, currency=seeded.currency)
            return
        except (RedisError, OSError) as exc:
            structlog.get_logger().warning("seed", outcome="waits", cause=type(exc).__name__, again_in_s=1)
            await asyncio.sleep(1)
        except TaggerError as exc:
            structlog.get_logger().error("seed", outcome="failed", cause=str(exc))
            return


async def sweep_for_ever(sweep: Sweep, counters: Counters, *, every_s: float) -> None:
    """A pass of the sweep, and what was counted; again and again."""
    while True:
        try:
            await sweep.run(monotonic_s=time.monotonic())
            await counters.flush()
        except (RedisError, OSError) as exc:
            structlog.get_logger().warning("sweep", outcome="waits", cause=type(exc).__name__)
        except Exception:  # noqa: BLE001  # the outermost loop: a bug here must not end the sweep
            structlog.get_logger().exception("sweep", outcome="bug")
        await asyncio.sleep(every_s)


async def uninstalls_for_ever(uninstalls: UninstallMonitor, *, every_s: float) -> None:
    """Look every now and then what became of apps that are said to be uninstalled."""
    while True:
        try:
            await uninstalls.run()
        except (RedisError, OSError) as exc:
            structlog.get_logger().warning("uninstalled", outcome="waits", cause=type(exc).__name__)
        except Exception:  # noqa: BLE001  # the outermost loop: a bug here must not end it
            structlog.get_logger().exception("uninstalled", outcome="bug")
        await asyncio.sleep(every_s)


async def nights_for_ever(nights: NightlyReconcile) -> None:
    """Look every minute whose night has come."""
    await _passes_for_ever(nights.run, event="nightly", every_s=NIGHTS_EVERY_S)


async def pending_jobs_for_ever(pending_jobs: PendingJobs, *, every_s: float) -> None:
    """Execute what is pending; look again every second."""
    await _passes_for_ever(pending_jobs.run, event="pending_job", every_s=every_s)


async def _passes_for_ever(run: Callable[[], Awaitable[object]], *, event: str, every_s: float) -> None:
    """A pass does not wait for the one before."""
    passes: set[asyncio.Task[None]] = set()
    try:
        while True:
            one = asyncio.create_task(_one_pass(run, event))
            passes.add(one)
            one.add_done_callback(passes.discard)
            await asyncio.sleep(every_s)
    finally:
        await cancel_and_wait(*passes)


async def _one_pass(run: Callable[[], Awaitable[object]], event: str) -> None:
    try:
        await run()
    except (RedisError, OSError) as exc:
        structlog.get_logger().warning(event, outcome="waits", cause=type(exc).__name__)
    except Exception:  # noqa: BLE001  # the outermost loop: a bug here must not end it
        structlog.get_logger().exception(event, outcome="bug")
