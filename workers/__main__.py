"""`python -m workers`: one worker process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial

import structlog
import uvloop

from service.errors import InvalidSettings
from service.runtime import cancel_and_wait, configure_logging, keep_watchdog, notify_systemd, telemetry
from service.seeding import read_rules_file
from service.settings import Settings, log_warnings, read_settings
from workers.main import WorkerProcess, build_worker


def main() -> int:
    """Exit codes: 0 after a stop signal, 2 for invalid settings."""
    try:
        settings = read_settings()
        read_rules_file(settings)
        configure_logging(settings.log_format)
        log_warnings(settings)
        with telemetry("worker", otlp_endpoint=settings.otlp_endpoint, sentry_dsn=settings.sentry_dsn):
            uvloop.run(_run(settings))
    except InvalidSettings as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


def _stop(worker: WorkerProcess) -> None:
    notify_systemd("STOPPING=1")
    worker.stop()


async def _run(settings: Settings) -> None:
    worker = build_worker(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, partial(_stop, worker))
    structlog.get_logger().info("worker", outcome="started")
    watchdog = asyncio.create_task(keep_watchdog())
    notify_systemd("READY=1")
    await worker.run()
    await cancel_and_wait(watchdog)
    structlog.get_logger().info("worker", outcome="stopped")


if __name__ == "__main__":
    sys.exit(main())
