"""`python -m workers`: one worker process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog
import uvloop

from service.errors import InvalidSettings
from service.runtime import configure_logging
from service.seeding import read_rules_file
from service.settings import Settings, log_warnings, read_settings
from workers.main import build_worker


def main() -> int:
    """Exit codes: 0 after a stop signal, 2 for invalid settings."""
    try:
        settings = read_settings()
        read_rules_file(settings)
    except InvalidSettings as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    configure_logging(settings.log_format)
    log_warnings(settings)
    uvloop.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    worker = build_worker(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    structlog.get_logger().info("worker", outcome="started")
    await worker.run()
    structlog.get_logger().info("worker", outcome="stopped")


if __name__ == "__main__":
    sys.exit(main())
