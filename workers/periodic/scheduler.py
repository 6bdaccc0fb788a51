"""Runs the periodic jobs of a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError

from service.runtime import BackgroundTasks

Job = Callable[[], Awaitable[object]]


async def run_every(interval_s: float, job: Job, name: str, *, overlapping: bool = False) -> None:
    """Run the job for ever, with a pause of `interval_s` seconds. A failed pass is logged and does not end the loop.

    If `overlapping`, a pass does not wait for the end of the previous one.
    """
    passes = BackgroundTasks()
    try:
        while True:
            if overlapping:
                passes.start(_run_once(job, name))
            else:
                await _run_once(job, name)
            await asyncio.sleep(interval_s)
    finally:
        await passes.cancel()


async def _run_once(job: Job, name: str) -> None:
    try:
        await job()
    except (RedisError, OSError) as exc:
        structlog.get_logger().warning(name, outcome="store_unavailable", cause=type(exc).__name__)
    except Exception:  # noqa: BLE001  # the outermost loop: a bug in one pass must not end it
        structlog.get_logger().exception(name, outcome="error")
