"""Starts the web process: `python -m service`."""

from __future__ import annotations

import asyncio
import gc
import sys
from socket import socket
from typing import Final

import uvicorn

from service.app import create_app
from service.errors import InvalidSettings
from service.runtime import BackgroundTasks, configure_logging, keep_watchdog, notify_systemd, telemetry
from service.seeding import read_rules_file
from service.sentence import Sentence
from service.settings import Settings, log_warnings, read_settings
from service.web.connections import LimitedProtocol
from service.web.health import check_store

# Longer than the 60 to 90 s for which usual proxies keep an idle connection: the side that closes first must be the one
# that sends. If we closed first, a webhook could meet a closing connection, and Haravan would see a 502.
KEEP_ALIVE_S: Final = 120
MAX_CONNECTIONS: Final = 900  # below the usual limit of 1024 open files, with room for those to Redis
STOP_TIMEOUT_S: Final = 10
# With Python's own 700 the garbage collector caused the slowest acknowledgements.
GC_THRESHOLDS: Final = (50_000, 20, 100)


class Server(uvicorn.Server):
    """uvicorn, with all objects of the start-up hidden from the garbage collector, and with messages to systemd."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._tasks = BackgroundTasks()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start listening, then freeze the collector's generations. Raises InvalidSettings if the port is taken."""
        try:
            await super().startup(sockets)
        except SystemExit as exc:  # uvicorn's answer to a port that it cannot open, without a message
            address = f"{self.config.host}:{self.config.port}"
            raise InvalidSettings(
                Sentence(
                    "nothing can listen on {address}: another process may use this port. Stop it, or set another PORT",
                    address=address,
                )
            ) from exc
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._tasks.start(keep_watchdog())
        notify_systemd("READY=1")

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop accepting, answer what was received, and stop."""
        notify_systemd("STOPPING=1")
        await super().shutdown(sockets)
        await self._tasks.cancel()


def uvicorn_config(settings: Settings) -> uvicorn.Config:
    """The configuration with which this project runs uvicorn."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,  # service/web/access_log.py
        log_config=None,
        proxy_headers=False,  # only the ops API uses the sender's address, see its routes
        server_header=False,
        date_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )


def main() -> None:
    """Serve until stopped. Exits with one message and 2 if a setting is wrong, or if Redis would lose acknowledged data."""
    try:
        settings = read_settings()
        read_rules_file(settings)
        configure_logging(settings.log_format)
        log_warnings(settings)
        asyncio.run(check_store(settings))
        with telemetry("web", otlp_endpoint=settings.otlp_endpoint, sentry_dsn=settings.sentry_dsn):
            Server(uvicorn_config(settings)).run()
    except InvalidSettings as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
