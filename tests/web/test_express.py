"""Over real sockets: a webhook on the short way gets the answer, and leaves the record, that the long way gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvicorn
from arq.connections import ArqRedis

from service import __main__ as process
from service.app import create_app
from service.domain.customers import OrgId
from service.settings import Settings
from service.store import keys
from service.store.deliveries import by_time
from service.store.shops import Shops
from service.web.connections import Connection
from service.web.express import Express
from tests.web.conftest import ORG, signature

BODY = '{"id": 7, "first_name": "Ánh"}'.encode()


class Counted(Express):
    """Says how many requests went the short way."""

    short = 0

    def _took(self) -> bool:
        took = super()._took()
        Counted.short += took
        return took


@asynccontextmanager
async def serving(
    settings: Settings, kind: type[Connection], *, patience: float = 20
) -> AsyncIterator[uvicorn.Server]:
    """The real process's own server, with connections of that kind; a busy machine must not look like a slow store."""
    config = process.config(replace(settings, port=0))
    config.app = create_app(settings, patience=patience)
    config.host, config.http, config.loop = "127.0.0.1", kind, "none"
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn tells it by nothing else
        await asyncio.sleep(0.01)
    Counted.short = 0
    try:
        yield server
    finally:
        server.should_exit = True
        await task


async def talk(server: uvicorn.Server, *pieces: bytes, answers: int = 1) -> list[bytes]:
    """Send the pieces one by one over one connection; the status lines and bodies that come back."""
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got: list[bytes] = []
    try:
        async with asyncio.timeout(60):
            await until_taken(server, writer.get_extra_info("sockname"))
            for piece in pieces:
                writer.write(piece)
                if answers == len(
                    pieces
                ):  # each is a request, and one that comes before an answer goes another way
                    got.append(await answer(reader))
                await asyncio.sleep(0.01)
            return [*got, *[await answer(reader) for _ in range(answers - len(got))]]
    finally:
        writer.close()


async def until_taken(server: uvicorn.Server, client: tuple[str, int]) -> None:
    """Until the server reads from that connection: what was written before would be read in one piece."""
    while not any(each.client == client for each in server.server_state.connections):  # type: ignore[union-attr]  # noqa: ASYNC110
        await asyncio.sleep(0)


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One answer: its status line, headers in order, and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().splitlines()
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    same = sorted(line for line in lines[1:] if not line.startswith(b"x-request-id"))
    return b"\n".join([lines[0], *same]) + await reader.readexactly(length)


def webhook(
    body: bytes = BODY,
    *more: str,
    start: str = "POST /webhooks/haravan HTTP/1.1",
    signed: str | None = None,
    org: str = ORG,
    length: bool = True,
) -> bytes:
    """A webhook as it goes over the wire."""
    lines = [
        start,
        "Host: x",
        "X-Haravan-Topic: customers/update",
        f"X-Haravan-Org-Id: {org}",
        f"X-Haravan-HmacSha256: {signature(body) if signed is None else signed}",
        *([f"Content-Length: {len(body)}"] if length else []),
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CHUNKED = webhook(length=False)[: -len(BODY) - 2] + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)  # fmt: skip
REQUESTS = [
    pytest.param([webhook()], 1, 1, id="in one piece"),
    pytest.param([CHUNKED], 1, 1, id="in one piece, chunked"),
    pytest.param([webhook(b"")], 1, 1, id="without a body"),
    pytest.param([webhook(b"not JSON")], 1, 1, id="of an unreadable body"),
    pytest.param([webhook() + webhook()], 2, 1, id="two at once"),
    pytest.param([webhook(), webhook()], 2, 2, id="one after the other"),
    pytest.param([webhook()[:-5], webhook()[-5:]], 1, 0, id="a body in two pieces"),
    pytest.param([webhook()[:60], webhook()[60:]], 1, 1, id="a head in two pieces"),
    pytest.param([webhook(b" " * 600_000)], 1, 0, id="a large body"),
    pytest.param([webhook(signed="x" * 44)], 1, 0, id="a wrong signature"),
    pytest.param([webhook(signed="")], 1, 0, id="no signature"),
    pytest.param([webhook(org="999")], 1, 0, id="a shop that we do not have"),
    pytest.param([webhook(BODY, "Connection: close")], 1, 0, id="the last of its connection"),
    pytest.param([webhook(BODY, "Expect: 100-continue")], 2, 0, id="asking first"),
    pytest.param([webhook(start="POST /webhooks/haravan?a=b HTTP/1.1")], 1, 0, id="with a query"),
    pytest.param([webhook(start="PUT /webhooks/haravan HTTP/1.1")], 1, 0, id="another method"),
    pytest.param([webhook(start="POST /healthz HTTP/1.1")], 1, 0, id="another path"),
    pytest.param([webhook(signed="x" * 44) + webhook()], 2, 0, id="a good one behind a wrong one"),
    pytest.param([CHUNKED.replace(b"\r\n\r\n", b"\r\n\r\nzz", 1)], 1, 0, id="a body that is no HTTP"),
]


@pytest.mark.parametrize(("pieces", "answers", "short"), REQUESTS)
async def test_both_ways_answer_alike_and_leave_the_same_record(
    redis: ArqRedis, shops: Shops, settings: Settings, pieces: list[bytes], answers: int, short: int
) -> None:
    seen = []
    for kind in (Connection, Counted):
        async with serving(settings, kind) as server:
            await talk(server, webhook(b'{"id": 1}'))  # whoever comes first makes the shops be read
            Counted.short = 0
            got = await talk(server, *pieces, answers=answers)
        seen.append((got, await recorded(redis)))
        await redis.delete(keys.shop(ORG, "deliveries"))

    assert seen[0] == seen[1]
    assert Counted.short == short


async def recorded(redis: ArqRedis, org: OrgId = ORG) -> list[tuple[object, ...]]:
    """What is in the record, without ids and moments."""
    return [
        (each.customer, each.outcome, each.topic, each.size)
        for each in (await by_time(redis, org)).deliveries
    ]


async def test_a_store_that_does_not_answer_is_a_503_on_the_short_way_too(
    redis: ArqRedis, shops: Shops, settings: Settings
) -> None:
    async with serving(settings, Counted, patience=1) as server:
        await talk(server, webhook())
        await redis.client_pause(60_000, all=False)
        first, second = await asyncio.gather(talk(server, webhook()), talk(server, webhook()))
        await redis.client_unpause()

    assert first == second
    assert first[0].startswith(b"http/1.1 503")
    assert b"retry-after: 1" in first[0]
    assert Counted.short > 1


async def test_who_hangs_up_before_the_answer_is_recorded_all_the_same(
    redis: ArqRedis, shops: Shops, settings: Settings
) -> None:
    async with serving(settings, Counted) as server:
        await talk(server, webhook(b'{"id": 1}'))
        await redis.client_pause(300)
        await talk(server, webhook(), answers=0)

    assert (7, "marked", "customers/update", len(BODY)) in await recorded(redis)
    assert Counted.short >= 1


async def test_a_process_that_stops_answers_what_it_took_and_says_that_it_was_the_last(
    redis: ArqRedis, shops: Shops, settings: Settings
) -> None:
    async with serving(settings, Counted) as server:
        await talk(server, webhook(b'{"id": 1}'))
        Counted.short = 0
        await redis.client_pause(300)
        asked = asyncio.create_task(talk(server, webhook()))
        while not Counted.short:  # noqa: ASYNC110  # it is on its way when it has been taken
            await asyncio.sleep(0.01)
        server.should_exit = True

        (said,) = await asked

    assert said.startswith(b"http/1.1 200")
    assert b"connection: close" in said
