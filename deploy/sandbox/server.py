"""Serve the sandbox over HTTP: inside a test's event loop, or as a process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deploy.sandbox.api import DROP
from deploy.sandbox.app import Sandbox
from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.webhooks import HandshakeFailed

HANDSHAKE_INTERVAL_S: Final = 1.0

# What the program prints. `Words` gives a text in another language, with the same placeholders.
Words = Callable[[str], str]
STARTED: Final = "Simulated Haravan shop {org}. Stop with Ctrl-C."
SETTINGS: Final = "Settings for `tagger up`, to be pasted into .env:"
NOT_ANSWERED: Final = "{url} does not answer the handshake: {why}. Trying again until it does."
SUBSCRIBED: Final = "Subscribed: webhooks are sent to {url}"
NO_STATE: Final = "{file} is not a state file of a sandbox; name another file"
PORT_TAKEN: Final = (
    "Something already listens on {host}:{port}, perhaps another sandbox: stop it, or choose {free}"
)
NOT_USABLE: Final = "{problem}. Choose {free} (--host {host})"
FREE_PORT: Final = "--port {port}, or --port 0 for any free port"
OTHER_HOST: Final = "another --host"
TEXTS: Final = (
    STARTED,
    SETTINGS,
    NOT_ANSWERED,
    SUBSCRIBED,
    NO_STATE,
    PORT_TAKEN,
    NOT_USABLE,
    FREE_PORT,
    OTHER_HOST,
)


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, extended so that the application can close the connection without a response."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"cut": self.transport.abort}}


@asynccontextmanager
async def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve the sandbox in this event loop and send its webhooks. Yields `http://HOST:PORT`.

    Raises OSError, with address and port, if the port is taken.
    """
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
    bucket_size: int = 80,
    leak_per_s: float = 4.0,
    on_start: Callable[[str, ShopHandle], object] | None = None,
    report: Callable[[str], object] = print,
    words: Words = str,
) -> None:
    """Serve one shop until cancelled. Raises OSError if the port is taken; port 0 selects a free one.

    `on_start` is called with the address and the shop when the server is ready. `webhook_url` is subscribed with the
    handshake; until the receiver answers it, it is asked again, and `report` gets a line for each new answer, in the
    language of `words`. With
    `state_file`, the shops are read from this file if it exists, and saved in it; what it says of a shop comes before
    `token`, `secret` and `customers`.
    """
    sandbox = Sandbox(bucket_size=bucket_size, leak_per_s=leak_per_s)
    if state_file is not None:
        sandbox.load(state_file)
    handle = sandbox.handles.get(org)
    if handle is None:
        handle = sandbox.add_shop(org=org, token=token, secret=secret)
        handle.populate(customers, seed=seed)
    handle.app(webhook_url, verify_token)
    async with AsyncExitStack() as stack:
        if state_file is not None:
            await stack.enter_async_context(sandbox.autosave(state_file))
        url = await stack.enter_async_context(serve(sandbox, host, port))
        if on_start is not None:
            on_start(url, handle)
        if webhook_url is not None:
            await _subscribe(handle, webhook_url, report, words)
        await asyncio.Event().wait()


async def _subscribe(handle: ShopHandle, url: str, report: Callable[[str], object], words: Words) -> None:
    """Perform the handshake as Haravan does, again and again until the receiver answers it."""
    last = ""
    while True:
        try:
            await handle.subscribe(url)
        except HandshakeFailed as exc:
            if str(exc) != last:
                last = str(exc)
                report(f"# {words(NOT_ANSWERED).format(url=url, why=last)}")
            await asyncio.sleep(HANDSHAKE_INTERVAL_S)
        else:
            report(f"# {words(SUBSCRIBED).format(url=url)}")
            return


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # asyncio sets this only on sockets with an explicit protocol; without it responses wait 40 ms for an ACK
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as exc:
        listening.close()
        raise OSError(exc.errno, f"cannot listen on {host}:{port}: {exc.strerror}") from exc
    return listening


class _Server(uvicorn.Server):
    """A server that does not handle signals and says when it is ready (`up`)."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Stop without waiting for the next tick, which would cost every test a tenth of a second."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks = (ticks + 1) % 864_000
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close at once. Requests in progress get one second."""
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
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.002)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
