"""`python -m tests.chaos.worker`: a worker with a faster rate limit than Haravan's, which records what it does."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import structlog
import uvloop

from service.runtime.log import configure_logging
from service.settings import Settings, read_settings
from tests.chaos.trace import StopPoint, TracedWorker, TraceFile
from workers.main import NIGHTLY_INTERVAL_S


async def run(settings: Settings) -> None:
    """Work until a signal stops it."""
    worker = TracedWorker(
        settings,
        leak_per_s=float(os.environ["CHAOS_LEAK_PER_S"]),
        nightly_interval_s=float(os.environ.get("CHAOS_NIGHTLY_INTERVAL_S") or NIGHTLY_INTERVAL_S),
    )
    worker.trace_file, worker.stop_point = TraceFile(Path(os.environ["CHAOS_TRACE"])), StopPoint()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    loop.add_signal_handler(signal.SIGUSR1, setattr, worker.stop_point, "armed", "permit")
    loop.add_signal_handler(signal.SIGUSR2, setattr, worker.stop_point, "armed", "write")
    structlog.get_logger().info("worker", outcome="started")
    await worker.run()
    structlog.get_logger().info("worker", outcome="stopped")


if __name__ == "__main__":
    settings = read_settings()
    configure_logging(settings.log_format)
    uvloop.run(run(settings))
