"""A process between the service and its peers that can cut and hold connections: `python -m tests.chaos.proxy`.

Arguments are `NAME=TARGET`, the target a port of 127.0.0.1 or a socket's path, or `NAME=TARGET@ADDRESS:PORT` to listen
there and not on any free port. It writes one line of JSON, name ->
port, and then executes lines on stdin: `cut NAME` ends every connection in the middle of its data,
`hold NAME SECONDS` lets nothing through for that time. It ends with its stdin.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import cast

import uvloop


class Side(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at the other end."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._gate.sides.add(self)
        if self._gate.holds:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._gate.sides.discard(self)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def join(self, other: Side) -> None:
        """Make the two sides one connection."""
        self.other, other.other = other, self
        if self.transport is None or self.transport.is_closing():
            other.abort()
        for data in self._early:
            other.data_received_here(data)
        self._early.clear()

    def data_received_here(self, data: bytes) -> None:
        """Send to the peer of this side."""
        if self.transport is not None:
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def read(self, *, on: bool) -> None:
        """Start or stop reading."""
        if self.transport is None or self.transport.is_closing():
            return
        if on and not self.transport.is_reading():
            self.transport.resume_reading()
        elif not on and self.transport.is_reading():
            self.transport.pause_reading()


class Gate:
    """One target, and every connection to it."""

    def __init__(self, target: str) -> None:
        self._target, _, where = target.partition("@")
        host, _, port = where.partition(":")
        self._address = (host or "127.0.0.1", int(port or 0))
        self.sides: set[Side] = set()
        self.holds = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Listen; the port."""
        listening = socket.socket(proto=socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(self._address)
        await asyncio.get_running_loop().create_server(self._accept, sock=listening)
        port: int = listening.getsockname()[1]
        return port

    def cut(self) -> None:
        """End every connection."""
        for side in list(self.sides):
            side.abort()

    def hold(self, seconds: float) -> None:
        """Let nothing through for that time."""
        self.holds += 1
        for side in self.sides:
            side.read(on=False)
        asyncio.get_running_loop().call_later(seconds, self._release)

    def _release(self) -> None:
        self.holds -= 1
        if not self.holds:
            for side in list(self.sides):
                side.read(on=True)

    def _accept(self) -> Side:
        near = Side(self)
        task = asyncio.create_task(self._connect(near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return near

    async def _connect(self, near: Side) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._target.isdigit():
                _, far = await loop.create_connection(lambda: Side(self), "127.0.0.1", int(self._target))
            else:
                _, far = await loop.create_unix_connection(lambda: Side(self), self._target)
        except OSError:
            near.abort()
            return
        near.join(far)


async def run(targets: dict[str, str]) -> None:
    """Serve until stdin ends."""
    gates = {name: Gate(target) for name, target in targets.items()}
    ports = {name: await gate.open() for name, gate in gates.items()}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer
    )
    while line := await lines.readline():
        execute(gates, line.decode().split())


def execute(gates: dict[str, Gate], words: list[str]) -> None:
    """Execute one command."""
    match words:
        case ["cut", name]:
            gates[name].cut()
        case ["hold", name, seconds]:
            gates[name].hold(float(seconds))
        case _:
            raise ValueError(f"no such command: {words}")


if __name__ == "__main__":
    uvloop.run(run(dict(word.split("=", 1) for word in sys.argv[1:])))
