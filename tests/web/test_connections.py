"""Over real sockets: slow senders and readers, half requests, many requests and many connections are bounded."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import uvicorn

from service import __main__ as process
from service.app import create_app
from service.settings import Settings
from service.store.shops import Shops
from service.web.express import Express
from tests.web.conftest import OPS_TOKEN, ORG, signature

HEAD = b"POST /webhooks/haravan HTTP/1.1\r\nHost: x\r\n"


class Patient(Express):
    """The same, for few connections, and with time for a request on the busiest machine."""

    within_s = 600.0
    read_within_s = 600.0
    most = 5


class Quick(Patient):
    """It hangs up at once."""

    within_s = 0.3
    read_within_s = 0.3


@pytest.fixture
async def port(shops: Shops, settings: Settings) -> AsyncIterator[int]:
    """The port of the real process's own server, where a request has all the time it needs."""
    async with served(settings, Patient) as port:
        yield port


@pytest.fixture
async def quick(shops: Shops, settings: Settings) -> AsyncIterator[int]:
    """The port of one where it has not."""
    async with served(settings, Quick) as port:
        yield port


@asynccontextmanager
async def served(settings: Settings, kind: type[Express]) -> AsyncIterator[int]:
    config = process.config(replace(settings, port=0))
    config.app = create_app(settings, patience=20)
    config.host, config.http, config.loop = "127.0.0.1", kind, "none"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn tells it by nothing else
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def talk(port: int, *pieces: bytes) -> bytes:
    """Send the pieces one by one; everything that comes back until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.01)
    got = await reader.read()
    writer.close()
    return got


def request(body: bytes, *, sent: bytes | None = None) -> bytes:
    """A signed webhook that closes its connection; `sent` is what really goes out of the body."""
    head = (
        HEAD
        + (
            f"X-Haravan-Topic: customers/update\r\nX-Haravan-Org-Id: {ORG}\r\nConnection: close\r\n"
            f"X-Haravan-HmacSha256: {signature(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
    )
    return head + (body if sent is None else sent)


async def test_a_webhook_in_pieces_is_taken(port: int) -> None:
    whole = request('{"id": 7, "first_name": "Ánh"}'.encode())

    assert (await talk(port, *(whole[at : at + 20] for at in range(0, len(whole), 20)))).startswith(
        b"HTTP/1.1 200"
    )


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(request(b'{"id": 7}', sent=b'{"id"'), id="half a body"),
    ],
)
async def test_a_request_that_never_ends_is_hung_up_on(quick: int, sent: bytes) -> None:
    async with asyncio.timeout(60):
        assert await talk(quick, sent) == b""


async def test_a_body_that_comes_drop_by_drop_is_hung_up_on(quick: int) -> None:
    whole = request(b'{"id": 7}' + b" " * 2000)

    assert await sent_before_the_end(quick, whole[:-2000], drop=b" ", most=2000) < 2000


async def test_a_head_that_never_ends_is_hung_up_on_however_quick_it_is(port: int) -> None:
    drop = b"X-More: " + b"x" * 8000 + b"\r\n"
    most = 10 * Quick.most_head // len(drop)

    assert await sent_before_the_end(port, HEAD, drop=drop, most=most) < most


async def sent_before_the_end(port: int, start: bytes, *, drop: bytes, most: int) -> int:
    """How many drops a sender gets rid of before the server hangs up without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    sent = 0
    with suppress(ConnectionError):
        while sent < most and not reader.at_eof():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.002)
            sent += 1
        assert await reader.read() == b""
    writer.close()
    return sent


KEPT = request(b'{"id": 7}').replace(b"Connection: close\r\n", b"")


async def test_where_there_are_too_many_the_oldest_stranger_makes_room(port: int) -> None:
    await talk(port, request(b'{"id": 7}'))  # from now on the shop is known
    known = await opened(port, KEPT)
    idle = await opened(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    half = [await opened(port, HEAD) for _ in range(Quick.most - 2)]

    async with asyncio.timeout(60):
        assert (await talk(port, request(b'{"id": 7}'))).startswith(b"HTTP/1.1 200")
        assert await idle[0].read() == b""
        more = [await opened(port, HEAD) for _ in range(2)]
        assert await half[0][0].read() == b""
        known[1].write(KEPT)
        assert await answer(known[0]) == b"HTTP/1.1 200 OK"

    for _, writer in (known, idle, *half, *more):
        writer.close()


async def test_nobody_whose_webhooks_are_taken_makes_room_for_others(port: int) -> None:
    await talk(port, request(b'{"id": 7}'))
    known = [await opened(port, KEPT) for _ in range(Quick.most)]

    async with asyncio.timeout(60):
        assert await talk(port) == b""
        for reader, writer in known:
            writer.write(KEPT)
            assert await answer(reader) == b"HTTP/1.1 200 OK"

    for _, writer in known:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The status line of the next answer, read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
    return head.partition(b"\r\n")[0]


async def opened(port: int, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection over which this was sent and, if it is a whole request, answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    if sent != HEAD:
        await answer(reader)
    return reader, writer


@pytest.mark.parametrize("asked", [HEAD + b"Content-Length: 0\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["webhooks", "anything"])  # fmt: skip
async def test_who_asks_for_very_much_at_once_is_hung_up_on(port: int, asked: bytes) -> None:
    async with asyncio.timeout(60):
        got = await talk(port, asked * 2000)

    assert got.count(b"HTTP/1.1") <= 2 + Quick.most_waiting
    assert b"HTTP/1.1 400" in got


async def test_some_requests_at_once_are_answered_one_after_the_other(port: int) -> None:
    got = await talk(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * Quick.most_waiting + request(b"{}"))

    assert got.count(b"HTTP/1.1 200") == Quick.most_waiting + 1


LARGE = f"GET /ops/openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPS_TOKEN}\r\n\r\n".encode()


async def test_who_does_not_read_the_answers_is_hung_up_on(quick: int) -> None:
    with socket.create_connection(("127.0.0.1", quick)) as one:
        one.setblocking(False)
        with pytest.raises(ConnectionError):  # noqa: PT012  # one of the many
            async with asyncio.timeout(60):
                while True:
                    with suppress(BlockingIOError):
                        one.send(LARGE)
                    await asyncio.sleep(0.001)


async def test_a_body_that_is_announced_too_large_is_not_read(port: int) -> None:
    head = HEAD + b"Content-Length: 99999999999\r\n\r\n"

    assert (await talk(port, head)).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(("host", "there"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104
async def test_who_asks_elsewhere_than_at_the_host_that_was_set_finds_nobody(
    shops: Shops, settings: Settings, host: str, there: bool
) -> None:
    server = uvicorn.Server(process.config(replace(settings, host=host, port=0)))
    serving = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn tells it by nothing else
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    assert [await listens("127.0.0.1", port), await listens("127.0.0.2", port)] == [True, there]

    server.should_exit = True
    await serving


async def listens(address: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True
