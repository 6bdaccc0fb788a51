"""Slow senders, slow readers, pipelined requests and many connections are bounded, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from service.__main__ import KEEP_ALIVE_S, MAX_CONNECTIONS
from service.settings import Settings
from service.store.client import RedisClient
from service.store.shops.repository import ShopRepository
from service.web.connections import LimitedProtocol
from tests.support.http_client import BODY, read_answer, talk, webhook
from tests.support.shop import OPS_TOKEN
from tests.support.web_server import PatientProtocol, serving

HEAD = b"POST /webhooks/haravan HTTP/1.1\r\nHost: x\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class QuickProtocol(LimitedProtocol):
    """It hangs up at once."""

    request_timeout_s = 0.3
    read_timeout_s = 0.3


@pytest.fixture
async def port(shops: ShopRepository, settings: Settings) -> AsyncIterator[int]:
    """The port of a server that gives a request all the time it needs."""
    async with serving(settings) as server:
        yield server.port


@pytest.fixture
async def quick(shops: ShopRepository, settings: Settings) -> AsyncIterator[int]:
    """The port of a server that does not."""
    async with serving(settings, protocol=QuickProtocol) as server:
        yield server.port


async def sent_until_closed(port: int, *pieces: bytes) -> bytes:
    """Everything that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)
        while more := await reader.read(65_536):
            got += more
    writer.close()
    return got


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(webhook()[:-5], id="half a body"),
        pytest.param(
            webhook(BODY, "Connection: Upgrade", "Upgrade: h2c")[:-5], id="half a body with upgrade"
        ),
    ],
)
async def test_a_request_that_never_ends_closes_the_connection(quick: int, sent: bytes) -> None:
    async with asyncio.timeout(60):
        assert await sent_until_closed(quick, sent) == b""


@pytest.mark.parametrize("rest", [b"", b"\r\n"], ids=["nothing", "an empty line"])
async def test_the_rest_of_a_refused_request_has_the_same_timeout(quick: int, rest: bytes) -> None:
    async with asyncio.timeout(60):
        got = await sent_until_closed(quick, webhook(signed="")[:-5], rest)

    assert got.startswith(b"HTTP/1.1 401")


async def test_an_empty_line_does_not_keep_a_connection_for_ever(quick: int) -> None:
    async with asyncio.timeout(60):
        got = await sent_until_closed(quick, HEALTH, b"\r\n")

    assert got.startswith(b"HTTP/1.1 200")


async def test_a_body_sent_byte_by_byte_closes_the_connection(quick: int) -> None:
    whole = webhook(b'{"id": 7}' + b" " * 2000)

    assert await sent_before_the_end(quick, whole[:-2000], drop=b" ", most=2000) < 2000


async def test_a_head_that_never_ends_closes_the_connection_at_any_speed(port: int) -> None:
    drop = b"X-More: " + b"x" * 8000 + b"\r\n"
    most = 10 * LimitedProtocol.max_request // len(drop)

    assert await sent_before_the_end(port, HEAD, drop=drop, most=most) < most


async def sent_before_the_end(port: int, start: bytes, *, drop: bytes, most: int) -> int:
    """How many drops are sent before the server closes the connection without an answer."""
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


@pytest.mark.parametrize("asked", [HEAD + b"Content-Length: 0\r\n\r\n", HEALTH], ids=["webhooks", "anything"])
async def test_pipelined_requests_are_bounded(port: int, asked: bytes) -> None:
    async with asyncio.timeout(60):
        got = await sent_until_closed(port, asked * 2000)

    assert 1 <= got.count(b"HTTP/1.1") <= 2 + LimitedProtocol.max_pipelined


async def test_upgrades_are_bounded_like_any_pipelined_request(port: int) -> None:
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"

    async with asyncio.timeout(60):
        got = await sent_until_closed(port, asked * 2000)

    assert 1 <= got.count(b"HTTP/1.1") <= 2 + LimitedProtocol.max_pipelined


async def test_some_pipelined_requests_are_answered_one_after_the_other(port: int) -> None:
    answers = await talk(
        port, HEALTH * LimitedProtocol.max_pipelined + webhook(), answers=LimitedProtocol.max_pipelined + 1
    )

    assert {answer.status for answer in answers} == {200}


async def test_a_client_that_does_not_read_its_answers_is_disconnected(quick: int) -> None:
    asked = f"GET /ops/openapi.json HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPS_TOKEN}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", quick)) as one:
        one.setblocking(False)
        with pytest.raises(ConnectionError):  # noqa: PT012  # one of the many
            async with asyncio.timeout(60):
                while True:
                    with suppress(BlockingIOError):
                        one.send(asked)
                    await asyncio.sleep(0.001)


async def test_a_body_with_a_too_large_content_length_is_not_read(port: int) -> None:
    [answer] = await talk(port, webhook(BODY, "Content-Length: 99999999999", length=False).removesuffix(BODY))

    assert (answer.status, answer.headers["connection"]) == (413, "close")


async def test_half_sent_anonymous_requests_turn_away_no_signed_webhook(
    redis: RedisClient, port: int
) -> None:
    half = HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 400_000  # 132 MB, more than may be unfinished
    anonymous = [await asyncio.open_connection("127.0.0.1", port) for _ in range(330)]
    statuses = []
    async with asyncio.timeout(100):
        for reader, writer in anonymous:
            writer.write(half)
            statuses.append((await read_answer(reader)).status)

        signed = [await talk(port, webhook()[:-5], webhook()[-5:]) for _ in range(3)]
        signed += await asyncio.gather(*(talk(port, webhook()) for _ in range(20)))

    assert set(statuses) == {401}
    assert {answer.status for [answer] in signed} == {200}
    for _, writer in anonymous:
        writer.close()


class FewConnections(PatientProtocol):
    """It has room for ten connections."""

    max_connections = 10
    spare_connections = 2


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(webhook()[:-5], id="half a body, with the form of a signature"),
        pytest.param(HEALTH, id="an answered request"),
    ],
)
async def test_connections_that_wait_longest_make_room_for_new_ones(
    shops: ShopRepository, settings: Settings, sent: bytes
) -> None:
    async with serving(settings, protocol=FewConnections) as server:
        known = await asyncio.open_connection("127.0.0.1", server.port)
        others = []
        for _ in range(40):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            others.append(writer)
            known[1].write(webhook())  # a sender in use keeps its connection
            assert (await read_answer(known[0])).status == 200

        [answer] = await talk(server.port, webhook())

        assert answer.status == 200
        assert len(server.server_state.connections) <= FewConnections.max_connections + 1
        for writer in (known[1], *others):
            writer.close()


async def test_a_refused_request_without_its_end_closes_the_connection_soon(
    shops: ShopRepository, settings: Settings
) -> None:
    class Quick(PatientProtocol):
        rest_timeout_s = 0.1

    async with serving(settings, protocol=Quick) as server, asyncio.timeout(60):
        got = await sent_until_closed(server.port, webhook(signed="")[:-5])

    assert got.startswith(b"HTTP/1.1 401")


async def test_small_bodies_are_accepted_however_many_large_ones_are_unfinished(
    redis: RedisClient, port: int
) -> None:
    large = webhook(b" " * 1_000_000)[
        :-5
    ]  # signed, or only with the form of a signature: nobody knows before its end
    anonymous = [await asyncio.open_connection("127.0.0.1", port) for _ in range(80)]
    for _, writer in anonymous:
        writer.write(large)
        with suppress(ConnectionError):
            await writer.drain()

    [answer] = await talk(port, webhook()[:-5], webhook()[-5:])

    assert answer.status == 200
    for _, writer in anonymous:
        writer.close()


def test_a_proxy_closes_an_idle_connection_before_we_do() -> None:
    usual_proxies_s = (60, 75, 90)

    assert max(usual_proxies_s) < KEEP_ALIVE_S


def test_redis_still_gets_connections_when_all_http_connections_are_in_use() -> None:
    usual_limit, redis_connections = 1024, 64

    assert MAX_CONNECTIONS + redis_connections < usual_limit


@pytest.mark.parametrize(("host", "there"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104
async def test_only_the_configured_host_listens(
    shops: ShopRepository, settings: Settings, host: str, there: bool
) -> None:
    async with serving(settings, protocol=PatientProtocol, host=host) as server:
        assert [await listens(each, server.port) for each in ("127.0.0.1", "127.0.0.2")] == [True, there]


async def listens(address: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True
