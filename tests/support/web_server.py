"""The web process's own server on a port of this process, for tests over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from socket import socket

import uvicorn

from service import __main__ as process
from service.app import create_app
from service.settings import Settings
from service.web.connections import LimitedProtocol


class PatientProtocol(LimitedProtocol):
    """The same limits, with time for a request on the busiest machine."""

    request_timeout_s = 600.0
    read_timeout_s = 600.0


class TestServer(uvicorn.Server):
    """A server that says when it has started."""

    __test__ = False  # for pytest

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start."""
        await super().startup(sockets)
        self.is_listening.set()

    @property
    def port(self) -> int:
        return int(self.servers[0].sockets[0].getsockname()[1])


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    protocol: type[LimitedProtocol] = PatientProtocol,
    patience: float = 20,
    host: str = "127.0.0.1",
) -> AsyncIterator[TestServer]:
    """The server while it runs; `patience` keeps a busy machine from looking like a slow Redis."""
    config = process.uvicorn_config(replace(settings, port=0, host=host))
    config.app = create_app(settings, timeout_factor=patience, use_process_pool=False)
    config.http, config.loop = protocol, "none"
    server = TestServer(config)
    task = asyncio.create_task(server.serve())
    await server.is_listening.wait()
    try:
        yield server
    finally:
        server.should_exit = True
        await task
