"""Runs the periodic jobs of a worker process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from service.runtime import BackgroundTasks, last_frames
from workers.store_outage import StoreOutage

Job = Callable[[], Awaitable[object]]
REPEAT_S: Final = 60.0  # the same error of a job is logged again after this time


async def run_every(
    interval_s: float, job: Job, name: str, outage: StoreOutage, *, overlapping: bool = False
) -> None:
    """Run the job for ever, with a pause of `interval_s` seconds. A failed pass is logged and does not end the loop.

    If `overlapping`, a pass does not wait for the end of the previous one.
    """
    passes = BackgroundTasks()
    loop = _Loop(job, name, outage)
    try:
        while True:
            if overlapping:
                passes.start(loop.run_once())
            else:
                await loop.run_once()
            await asyncio.sleep(interval_s)
    finally:
        await passes.cancel()


@dataclass(slots=True)
class _Loop:
    """A job, and when each of its errors was last logged."""

    job: Job
    name: str
    outage: StoreOutage
    logged_s: dict[str, float] = field(default_factory=dict)

    async def run_once(self) -> None:
        try:
            await self.job()
        except Exception as exc:  # noqa: BLE001  # the outermost loop: a bug in one pass must not end it
            if not self.outage.report_failure(exc):
                self._log_bug(exc)
        else:
            self.outage.report_success()

    def _log_bug(self, exc: Exception) -> None:
        where, now = last_frames(exc), time.monotonic()
        if now - self.logged_s.get(where, float("-inf")) >= REPEAT_S:
            self.logged_s = {where: now}
            structlog.get_logger().exception(self.name, outcome="error", exc_info=exc)
