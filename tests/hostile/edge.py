"""One web process with one store for all rows, and requests that reach its protocol in any pieces.

The pieces do not cross a socket: each reaches the protocol alone, as a packet would, and the server gets its turns in
between. A socket could join them again, and waiting so that it does not would take minutes for all splits of all rows.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.domain.customers import OrgId
from service.settings import read_settings
from service.store.client import RedisClient, connect, keys
from service.store.history.deliveries import Delivery, list_deliveries
from tests.support.http_client import webhook
from tests.support.shop import ORG, OTHER_ORG, add_shops, web_environ
from tests.support.valkey import valkey
from tests.support.web_server import PatientProtocol, WebServer, serving

TIMEOUT_S: Final = 60.0
TURNS: Final = 6  # of the event loop, in which a request that needs no store is answered
OTHER_CUSTOMER: Final = 1_000_001


class MemoryTransport(asyncio.Transport):
    """A connection in memory. It keeps what the server wrote until it closed."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._is_closed = False
        self.written = bytearray()

    def write(self, data: Any) -> None:
        """Keep the bytes. A real socket sends nothing after its end either."""
        if not self._is_closed:
            self.written += data

    def is_closing(self) -> bool:
        """Whether the server closed it."""
        return self._is_closed

    def close(self) -> None:
        """Close it; the protocol hears of it in the loop's next turn."""
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        """The same, as nothing is buffered."""
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """It has no addresses."""
        return default

    def pause_reading(self) -> None:
        """The sender waits for no one."""

    def resume_reading(self) -> None:
        """The sender waits for no one."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The statuses of the answers, and whether the server closed the connection then."""

    statuses: tuple[int, ...]
    closed: bool

    def __str__(self) -> str:
        words = [str(status) for status in self.statuses] or ["waits"]
        return " ".join([*words, "closed"] if self.closed else words)


class Edge:
    """The web process and its store."""

    def __init__(self, server: WebServer, redis: RedisClient) -> None:
        self._server = server
        self.redis = redis

    @property
    def port(self) -> int:
        """Where it also listens on a socket."""
        return self._server.port

    async def send(self, *pieces: bytes) -> Answers:
        """The answers to these pieces over one connection."""
        protocol = PatientProtocol(self._server.config, self._server.server_state, {})
        transport = MemoryTransport(protocol)
        protocol.connection_made(transport)
        async with asyncio.timeout(TIMEOUT_S):
            for piece in pieces:
                if transport.is_closing():
                    break
                protocol.data_received(piece)
                await _turns()
            while not transport.is_closing() and not protocol.waits_for_client():  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.0005)
            await _turns()
        answers = Answers(tuple(parse_statuses(bytes(transport.written))), transport.is_closing())
        transport.close()
        await _turns()
        return answers

    async def deliver(self, body: bytes, *, topic: str = "customers/update", org: str = ORG) -> Answers:
        """The answer to a signed webhook."""
        request = webhook(body, org=org).replace(b"customers/update", topic.encode(), 1)
        return await self.send(request)

    async def last_delivery(self, org: str = ORG) -> Delivery | None:
        """The newest record of a delivery of the shop."""
        page = await list_deliveries(self.redis, OrgId(org), limit=1)
        return page.deliveries[0] if page.deliveries else None

    async def forget_deliveries(self, org: str = ORG) -> None:
        """The shop's next delivery is no repeat, whatever its body."""
        async for key in self.redis.scan_iter(match=keys.shop(OrgId(org), "delivery_ids:*")):
            await self.redis.delete(key)

    async def harmed(self) -> list[str]:
        """Who noticed: another customer, another shop, or an acknowledgement. Asked after a row's request."""
        number = next_number()
        neighbours = {
            "another customer of the shop": (ORG, OTHER_CUSTOMER + number),
            "a customer of another shop": (OTHER_ORG, OTHER_CUSTOMER + number),
        }
        harmed = []
        for name, (org, customer) in neighbours.items():
            answers = await self.deliver(b'{"id": %d}' % customer, org=org)
            last = await self.last_delivery(org)
            if str(answers) != "200" or last is None or (last.customer, last.outcome) != (customer, "marked"):
                harmed.append(f"{name} ({answers})")
        return harmed


_numbers = iter(range(10**9))


def next_number() -> int:
    """A number that no other call returns."""
    return next(_numbers)


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def parse_statuses(written: bytes) -> Sequence[int]:
    """The statuses of the answers, 100 Continue included."""
    statuses = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        statuses.append(int(first.split()[1]))
        written = rest[int(headers.get("content-length", 0)) :]
    return statuses


@asynccontextmanager
async def running_edge() -> AsyncIterator[Edge]:
    """The web process with two shops, in this event loop."""
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        redis = connect(url, timeout_s=TIMEOUT_S)
        await add_shops(redis)
        async with serving(read_settings(web_environ(url))) as server:
            edge = Edge(server, redis)
            await edge.deliver(b'{"id": 1}')  # the first webhook loads the shops
            yield edge
        await redis.aclose()


def milliseconds_since(started_s: float) -> float:
    """The time since this moment of `time.perf_counter()`."""
    return (time.perf_counter() - started_s) * 1000
