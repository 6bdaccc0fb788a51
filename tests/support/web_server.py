"""The web application in this process: without sockets, over real sockets, and in a thread."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from socket import socket
from typing import Any

import httpx2
import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.types import ASGIApp

from service import __main__ as process
from service.app import create_app
from service.errors import InvalidSettings
from service.settings import Settings
from service.web.connections import LimitedProtocol
from service.web.http_protocol import HttpProtocol

TIMEOUT_FACTOR = 20.0  # a busy machine must not look like a slow Redis


@asynccontextmanager
async def app_client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the running application, without a socket between them."""
    app = create_app(settings, timeout_factor=TIMEOUT_FACTOR, use_process_pool=False)
    async with _lifespan(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


@asynccontextmanager
async def _lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Start the application, then stop it. Raises InvalidSettings if it does not start."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    await to_app.put({"type": "lifespan.startup"})
    task = asyncio.ensure_future(app({"type": "lifespan", "state": {}}, to_app.get, from_app.put))
    started = await from_app.get()
    if started["type"] != "lifespan.startup.complete":
        await task
        raise InvalidSettings(started["message"])
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        with suppress(asyncio.CancelledError):
            await task


class PatientProtocol(LimitedProtocol):
    """The same limits, with time for a request on the busiest machine."""

    request_timeout_s = 600.0
    rest_timeout_s = 600.0
    read_timeout_s = 600.0


class WebServer(uvicorn.Server):
    """A server with an event for its start."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start, or fail to."""
        try:
            await super().startup(sockets)
        finally:
            self.is_listening.set()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.servers[0].sockets[0].getsockname()[1])


@asynccontextmanager
async def serving(
    settings: Settings,
    *,
    protocol: type[LimitedProtocol] = PatientProtocol,
    timeout_factor: float = TIMEOUT_FACTOR,
    use_process_pool: bool = False,
    host: str = "127.0.0.1",
) -> AsyncIterator[WebServer]:
    """The web process's server on a free port, in this event loop."""
    config = process.uvicorn_config(replace(settings, port=0, host=host))
    config.app = create_app(settings, timeout_factor=timeout_factor, use_process_pool=use_process_pool)
    config.http, config.loop = protocol, "none"
    async with _running(config) as server:
        yield server


@asynccontextmanager
async def serving_app(app: ASGIApp, *, http: type[HttpProtocol]) -> AsyncIterator[int]:
    """The port of a server with any application and without a lifespan, in this event loop."""
    config = uvicorn.Config(app, http=http, loop="none", port=0, lifespan="off", log_config=None)
    async with _running(config) as server:
        yield server.port


@asynccontextmanager
async def _running(config: uvicorn.Config) -> AsyncIterator[WebServer]:
    server = WebServer(config)
    task = asyncio.create_task(server.serve())
    await server.is_listening.wait()
    try:
        yield server
    finally:
        server.should_exit = True
        await task


@contextmanager
def serving_in_thread(settings: Settings) -> Iterator[int]:
    """The port of the web process's server in a thread, with its usual limits, for tests without an event loop."""
    with (
        start_blocking_portal("asyncio", {"use_uvloop": sys.platform != "win32"}) as portal,
        portal.wrap_async_context_manager(
            serving(settings, protocol=LimitedProtocol, use_process_pool=True)
        ) as server,
    ):
        yield server.port
