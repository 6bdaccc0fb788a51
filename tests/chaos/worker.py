"""`python -m tests.chaos.worker`: a worker whose bucket leaks faster than Haravan's, with a witness beside it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import structlog
import uvloop

from service.runtime.log import configure_logging
from service.settings import Settings, read_settings
from tests.chaos.witness import Pen, Standstill, WitnessedWorker


async def run(settings: Settings) -> None:
    """Work until told to stop."""
    worker = WitnessedWorker(settings, leak_per_s=float(os.environ["CHAOS_LEAK_PER_S"]))
    worker.pen, worker.standstill = Pen(Path(os.environ["CHAOS_WITNESS"])), Standstill()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    loop.add_signal_handler(signal.SIGUSR1, setattr, worker.standstill, "armed", "permit")
    loop.add_signal_handler(signal.SIGUSR2, setattr, worker.standstill, "armed", "write")
    structlog.get_logger().info("worker", outcome="started")
    await worker.run()
    structlog.get_logger().info("worker", outcome="stopped")


if __name__ == "__main__":
    settings = read_settings()
    configure_logging(settings.log_format)
    uvloop.run(run(settings))
