"""The sandbox as a running HTTP server: inside a test's event loop, or as a process of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import statefile
from .box import Sandbox
from .wire import DROP


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, with a way for the application to cut the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"cut": self.transport.abort}}


@asynccontextmanager
async def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the sandbox in this event loop and send its webhooks; yields `http://HOST:PORT`."""
    listening = _listen(host, port)
    config = uvicorn.Config(
        sandbox.app,
        http=DroppableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    server = _Server(config)
    async with sandbox.running():
        task = asyncio.create_task(server.serve([listening]))
        try:
            await server.up.wait()
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.end()
            await task
            listening.close()


async def run(
    *,
    host: str = "127.0.0.1",
    port: int = 8800,
    customers: int = 500,
    seed: int = 1,
    org: str = "1000000001",
    token: str = "token-1",  # noqa: S107 - a made-up shop's token
    secret: str = "secret-1",  # noqa: S107
    webhook_url: str | None = None,
    verify_token: str | None = None,
    state_file: Path | None = None,
    save_every_s: float = 5.0,
    bucket_size: int = 80,
    leak_per_s: float = 4.0,
    started: Callable[[str], object] | None = None,
) -> None:
    """Serve one shop until cancelled; `started` is called with the address once it answers. Port 0 takes a free one.

    With `state_file` the shops are read from it if it exists, and kept in it.
    """
    sandbox = Sandbox(bucket_size=bucket_size, leak_per_s=leak_per_s)
    if state_file is not None:
        statefile.load(sandbox, state_file)
    handle = sandbox.handles.get(org)
    if handle is None:
        handle = sandbox.add_shop(org=org, token=token, secret=secret)
        handle.populate(customers, seed=seed)
    if webhook_url is not None:
        handle.subscribe(webhook_url, verify_token)
    async with AsyncExitStack() as stack:
        if state_file is not None:
            await stack.enter_async_context(statefile.kept(sandbox, state_file, every_s=save_every_s))
        url = await stack.enter_async_context(serve(sandbox, host, port))
        if started is not None:
            started(url)
        await asyncio.Event().wait()


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # asyncio sets this only on sockets that were made with a protocol; without it answers wait 40 ms for an ACK
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    return listening


class _Server(uvicorn.Server):
    """A server that leaves signals to the program around it and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Close without waiting for the next tick: a test that serves should not cost a tenth of a second."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks = (ticks + 1) % 864_000
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close at once; calls that are still being answered get a second."""
        del sockets
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answered(), 1.0)
        for task in self.server_state.tasks:
            task.cancel()

    async def _answered(self) -> None:
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.002)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)
