"""`python -m tests.bench.worker`: a worker with the same rate limit as the sandbox of the benchmark."""

from __future__ import annotations

import asyncio
import os
import signal

import uvloop

from service.runtime.log import configure_logging
from service.settings import read_settings
from workers.main import WorkerProcess


async def run() -> None:
    """Work until a signal stops it."""
    settings = read_settings()
    configure_logging(settings.log_format)
    worker = WorkerProcess(settings, leak_per_s=float(os.environ["BENCH_LEAK_PER_S"]))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.run()


if __name__ == "__main__":
    uvloop.run(run())
