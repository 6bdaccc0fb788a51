"""No valid HTTP loses a signed body, adds a header, or mixes up answers, over raw sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send

from service.settings import Settings
from service.store.client import RedisClient
from service.store.history.deliveries import list_deliveries
from service.store.shops.repository import ShopRepository
from service.web.http_protocol import HttpProtocol
from tests.support.http_client import BODY, chunked, talk, webhook
from tests.support.shop import ORG
from tests.support.store import pause_clients
from tests.support.web_server import serving, serving_app

UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket")
WRONG = webhook(signed="A" * 43 + "=")


@pytest.fixture
async def port(shops: ShopRepository, settings: Settings) -> AsyncIterator[int]:
    async with serving(settings) as server:
        yield server.port


async def recorded(redis: RedisClient) -> list[tuple[int | None, str, int]]:
    """Customer, topic and size of each delivery, oldest first, a repeat as a row of its own."""
    page = await list_deliveries(redis, ORG)
    return [
        (each.customer, each.topic, each.size)
        for each in reversed(page.deliveries)
        for _ in range(1 + each.repeats)
    ]


RECORD = (7, "customers/update", len(BODY))
GOOD = [
    pytest.param([webhook()], id="in one piece"),
    pytest.param([webhook()[:60], webhook()[60:]], id="a head in two pieces"),
    pytest.param([webhook()[:-5], webhook()[-5:]], id="a body in two pieces"),
    pytest.param([chunked(BODY)], id="chunked"),
    pytest.param([webhook(BODY, *UPGRADE)], id="h2c upgrade"),
    pytest.param([webhook(BODY, *WEBSOCKET)], id="websocket upgrade"),
    pytest.param([webhook(BODY, *UPGRADE)[:-5], webhook()[-5:]], id="upgrade and a late body"),
    pytest.param([webhook(BODY, *UPGRADE)[:100], webhook(BODY, *UPGRADE)[100:]], id="upgrade in two pieces"),
    pytest.param([chunked(BODY, *UPGRADE)], id="upgrade and chunked"),
    pytest.param([webhook(BODY, "Connection: close")], id="the last of its connection"),
    pytest.param([webhook(BODY, "Content-Encoding: identity")], id="an encoding that is none"),
    pytest.param([webhook(start="POST /webhooks/haravan/ HTTP/1.1")], id="trailing slash"),
    pytest.param([webhook(start="POST /webhooks/haravan?a=b HTTP/1.1")], id="a query"),
]


@pytest.mark.parametrize("pieces", GOOD)
async def test_a_signed_body_is_recorded(redis: RedisClient, port: int, pieces: list[bytes]) -> None:
    [answer] = await talk(port, *pieces)

    assert answer.status == 200
    assert await recorded(redis) == [RECORD]


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after the answer"])
async def test_a_client_that_expects_100_gets_it_and_its_webhook_is_recorded(
    redis: RedisClient, port: int, *, late: bool
) -> None:
    asked = webhook(BODY, "Expect: 100-continue")
    pieces = [asked[: -len(BODY)], BODY] if late else [asked]

    answers = await talk(port, *pieces, answers=2)

    assert [answer.status for answer in answers] == [100, 200]
    assert await recorded(redis) == [RECORD]


async def test_trailers_are_no_headers(redis: RedisClient, port: int) -> None:
    sent = chunked(BODY, trailers="X-Haravan-Test: true\r\n")

    answers = await talk(port, sent + webhook(), answers=2)

    assert [answer.status for answer in answers] == [200, 200]
    [delivery] = (await list_deliveries(redis, ORG)).deliveries
    assert (delivery.test, delivery.outcome, delivery.repeats) == (False, "marked", 1)


async def test_a_signature_in_a_trailer_does_not_count(redis: RedisClient, port: int) -> None:
    sent = chunked(
        BODY, trailers="X-Haravan-HmacSha256: " + webhook().decode().split("Sha256: ")[1][:44] + "\r\n"
    )
    unsigned = b"\r\n".join(
        line
        for at, line in enumerate(sent.split(b"\r\n"))
        if not (at < 6 and line.startswith(b"X-Haravan-Hmac"))
    )

    [answer] = await talk(port, unsigned)

    assert answer.status == 401
    assert await recorded(redis) == []


@pytest.mark.parametrize(
    ("requests", "statuses"),
    [
        pytest.param([webhook(), webhook()], [200, 200], id="two good ones"),
        pytest.param([webhook(), WRONG], [200, 401], id="a wrong one behind a good one"),
        pytest.param([WRONG, webhook()], [401, 200], id="a good one behind a wrong one"),
        pytest.param([webhook(signed=""), webhook()], [401, 200], id="a good one behind an unsigned one"),
        pytest.param(
            [webhook(BODY, "Content-Encoding: gzip"), webhook()], [415, 200], id="behind a packed one"
        ),
        pytest.param([webhook(BODY, *UPGRADE), webhook()], [200, 200], id="behind an upgrade"),
        pytest.param(
            [webhook(), webhook(BODY, *UPGRADE), webhook()], [200, 200, 200], id="an upgrade between"
        ),
        pytest.param([webhook(), b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], [200, 200], id="another path"),
        pytest.param([webhook(), b"no HTTP at all\r\n\r\n"], [200], id="no HTTP behind a good one"),
        pytest.param([b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"], [400], id="CONNECT"),
    ],
)
async def test_pipelined_requests_get_their_own_answers(
    redis: RedisClient, port: int, requests: list[bytes], statuses: list[int]
) -> None:
    answers = await talk(port, b"".join(requests), answers=len(statuses))

    assert [answer.status for answer in answers] == statuses
    assert await recorded(redis) == [RECORD] * sum(
        request.startswith(b"POST") and status == 200
        for request, status in zip(requests, statuses, strict=False)
    )


@pytest.mark.parametrize(
    ("codings", "status"),
    [
        (["gzip, chunked"], 501),
        (["gzip", "chunked"], 501),
        (["identity", "chunked"], 501),
        (["identity, chunked"], 501),
        (["identity"], 501),
        (["gzip"], 501),
        (["x-chunked"], 501),
        (["chunked, identity"], 400),  # RFC 9112, 6.3: chunked must be the last one
        (["chunked", "identity"], 400),
        (["chunked, chunked"], 400),
        ([""], 400),
    ],
    ids=str,
)
async def test_a_transfer_coding_besides_chunked_is_refused(
    redis: RedisClient, port: int, codings: list[str], status: int
) -> None:
    headers = [f"Transfer-Encoding: {coding}" for coding in codings]
    head = webhook(BODY, *headers, length=False).removesuffix(BODY)

    [answer] = await talk(port, head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))

    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert await recorded(redis) == []


async def test_a_good_webhook_in_front_of_an_unknown_transfer_coding_is_answered_first(
    redis: RedisClient, port: int
) -> None:
    unknown = webhook(BODY, "Transfer-Encoding: gzip", length=False)

    answers = await talk(port, webhook() + unknown, answers=2)

    assert [answer.status for answer in answers] == [200, 501]
    assert await recorded(redis) == [RECORD]


async def test_a_bad_request_that_has_just_begun_is_still_answered_by_its_head() -> None:
    """The one in front is answered between the bad bytes and the time when the rest of them is refused."""
    unknown = webhook(BODY, "Transfer-Encoding: gzip", length=False)
    async with serving_app(answer_at_once, http=HttpProtocol) as port:
        answers = await talk(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + unknown, answers=2)

    assert [answer.status for answer in answers] == [200, 501]


async def answer_at_once(_: Scope, __: Receive, send: Send) -> None:
    """Answer within the first step of the task."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def test_a_broken_body_is_not_recorded(redis: RedisClient, port: int) -> None:
    broken = chunked(BODY).replace(b"\r\n\r\n", b"\r\n\r\nzz", 1)

    [answer] = await talk(port, broken)

    assert answer.status == 400
    assert await recorded(redis) == []


async def test_a_webhook_is_recorded_even_if_its_sender_disconnects_before_the_answer(
    redis: RedisClient, port: int
) -> None:
    await talk(port, webhook(b'{"id": 1}'))
    await pause_clients(redis, 300)

    await talk(port, webhook(), answers=0)
    await talk(port, webhook(b'{"id": 2}'))

    assert RECORD in await recorded(redis)


async def test_a_process_that_stops_answers_what_it_has_accepted(
    redis: RedisClient, shops: ShopRepository, settings: Settings
) -> None:
    async with serving(settings) as server:
        await talk(server.port, webhook(b'{"id": 1}'))
        await pause_clients(redis, 500)
        asked = asyncio.create_task(talk(server.port, webhook()))
        await asyncio.sleep(0.1)
        server.should_exit = True

        [answer] = await asked

    assert (answer.status, answer.headers["connection"]) == (200, "close")
