"""Starts the web process: `python -m service`."""

from __future__ import annotations

import gc
import sys
from socket import socket

import uvicorn

from service.app import create_app
from service.errors import BadSettings
from service.log import configure_logging
from service.settings import Settings, read_settings
from service.web.express import Express

KEEP_ALIVE_S = 75  # uvicorn's 5 s would close the senders' idle connections between two deliveries
STOP_WITHIN_S = 10
GC_THRESHOLDS = (50_000, 20, 100)  # with Python's own 700 the collector was the tail of the acknowledgements


class Server(uvicorn.Server):
    """uvicorn, with the collector told to leave alone what was built at the start."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start, then freeze."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)


def config(settings: Settings) -> uvicorn.Config:
    """How this project runs uvicorn."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=Express,
        ws="none",
        lifespan="on",
        access_log=False,  # one line for each unit of work is our own
        log_config=None,
        proxy_headers=False,  # nothing asks for the sender's address
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )


def main() -> None:
    """Serve until told to stop; a bad setting ends it with one clear message."""
    try:
        settings = read_settings()
    except BadSettings as exc:
        sys.exit(str(exc))
    configure_logging(settings.log_format)
    Server(config(settings)).run()


if __name__ == "__main__":
    main()
