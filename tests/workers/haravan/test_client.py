"""The client and a server: what is sent, and what happens if there is no response."""

from __future__ import annotations

import asyncio
import gc
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web

from deploy.sandbox import ShopHandle
from service.domain.customers.customer import CustomerId
from service.errors import (
    AccessDenied,
    ApiUnavailable,
    CustomerNotFound,
    RateLimited,
    RequestRejected,
    ResponseTooLarge,
    TokenRejected,
)
from service.store.queue.rate_limiter import Permit
from tests.workers.haravan.conftest import Connect, FakeServer, RecordingPermits
from workers.haravan.calls import Request
from workers.haravan.client import Haravan
from workers.haravan.rate_limit import RateLimitExceeded


def customer_of(shop: ShopHandle, **fields: object) -> CustomerId:
    return CustomerId(shop.create(**fields))


async def test_the_rate_limit_header_of_the_response_settles_the_permit(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    customer = customer_of(shop)

    await omni.perform(omni.dialect.get(customer), permits)

    assert permits.settled == [("GET customer", 200, 1, 80, None)]


async def test_every_request_of_a_call_has_its_own_permit(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    customer = customer_of(shop, tags="VIP")

    await omni.perform(omni.dialect.change_tags(customer, add=["Vàng"], remove=["VIP"]), permits)

    assert [permit for permit, *_ in permits.settled] == ["POST tags", "DELETE tags"]
    assert [request.kind for request in permits.requests] == ["write", "write"]
    assert [request.customer for request in permits.requests] == [customer, customer]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, TokenRejected),
        (403, AccessDenied),
        (404, CustomerNotFound),
        (422, RequestRejected),
        (500, ApiUnavailable),
        (502, ApiUnavailable),
        (503, ApiUnavailable),
    ],
)
async def test_a_failure_is_settled_and_raised_as_its_error(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits, status: int, error: type[Exception]
) -> None:
    customer = customer_of(shop)
    shop.faults.fail(status)

    with pytest.raises(error):
        await omni.perform(omni.dialect.get(customer), permits)

    assert permits.settled[0][:2] == ("GET customer", status)


async def test_an_html_page_instead_of_json_is_unavailable(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    shop.faults.fail(502, html=True)

    with pytest.raises(ApiUnavailable, match=r"GET count answered 502 \(an HTML page\)"):
        await omni.perform(omni.dialect.count(), permits)


async def test_a_wrong_token_is_rejected_and_is_not_in_the_error(
    connect: Connect, permits: RecordingPermits
) -> None:
    haravan = connect(token="a-token-of-another-shop")

    with pytest.raises(TokenRejected) as caught:
        await haravan.perform(haravan.dialect.count(), permits)

    assert "a-token" not in str(caught.value)


async def test_a_token_that_no_header_can_carry_is_rejected(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits
) -> None:
    haravan = connect(token="token-1\r\nX-Other: 1")

    with pytest.raises(TokenRejected, match="no header can carry") as caught:
        await haravan.perform(haravan.dialect.count(), permits)

    assert "X-Other" not in str(caught.value)
    assert shop.calls.count() == 0


async def test_a_429_says_how_long_the_shop_waits(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    shop.faults.throttle(retry_after=7.5)

    with pytest.raises(RateLimited) as caught:
        await omni.perform(omni.dialect.count(), permits)

    assert caught.value.retry_after_s == 7.5
    assert permits.settled == [("GET count", 429, 1, 80, 7.5)]


async def test_a_429_between_the_two_requests_of_a_change_keeps_the_added_tag(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    customer = customer_of(shop, tags="VIP")
    shop.faults.throttle(endpoint="DELETE tags")

    with pytest.raises(RateLimited):
        await omni.perform(omni.dialect.change_tags(customer, add=["Vàng"], remove=["VIP"]), permits)

    assert shop.tags(customer) == {"VIP", "Vàng"}


async def test_a_server_that_does_not_respond_is_unavailable_after_the_timeout(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits
) -> None:
    haravan = connect(call_timeout_s=0.05)
    shop.faults.timeout(seconds=60)

    with pytest.raises(ApiUnavailable, match="GET count got no answer") as caught:
        await haravan.perform(haravan.dialect.count(), permits)

    assert caught.value.status is None
    assert permits.settled == [("GET count", None, None, None, None)]


async def test_a_write_without_a_response_is_unavailable_even_if_it_took_effect(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    customer = customer_of(shop)
    shop.faults.lose_answer()

    with pytest.raises(ApiUnavailable):
        await omni.perform(omni.dialect.add_tags(customer, ["VIP"]), permits)

    assert shop.tags(customer) == {"VIP"}
    assert permits.settled == [("POST tags", None, None, None, None)]


async def test_a_request_without_a_response_is_not_retried_by_the_http_library(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    customer = customer_of(shop, tags="VIP")
    shop.faults.lose_answer(endpoint="*", rate=1.0)

    with pytest.raises(ApiUnavailable, match="ServerDisconnectedError"):
        await omni.perform(omni.dialect.remove_tags(customer, ["VIP"]), permits)

    assert shop.calls.count() == 1


async def test_a_refused_connection_is_unavailable(connect: Connect, permits: RecordingPermits) -> None:
    with socket.socket() as unused:  # bound, but not listening
        unused.bind(("127.0.0.1", 0))
        haravan = connect(at=f"http://127.0.0.1:{unused.getsockname()[1]}")

        with pytest.raises(ApiUnavailable, match="got no answer"):
            await haravan.perform(haravan.dialect.search("Nguyễn Thị Ánh"), permits)


async def test_an_error_without_a_response_has_neither_the_search_text_nor_the_token(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits
) -> None:
    shop.faults.lose_answer(endpoint="GET search")
    omni = connect()

    with pytest.raises(ApiUnavailable) as caught:
        await omni.perform(omni.dialect.search("Nguyễn Thị Ánh"), permits)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert not {"Ánh", "token"} & set(str(caught.value).split())


async def test_the_permit_of_a_cancelled_call_is_settled(
    omni: Haravan, shop: ShopHandle, permits: RecordingPermits
) -> None:
    arrived, never = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        arrived.set()
        await never.wait()

    shop.on_call("GET count", hold)
    call = asyncio.create_task(omni.perform(omni.dialect.count(), permits))
    await arrived.wait()

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert permits.settled == [("GET count", None, None, None, None)]
    never.set()


async def test_a_permit_is_settled_even_if_the_call_is_cancelled_meanwhile(omni: Haravan) -> None:
    class SlowPermits(RecordingPermits):
        def __init__(self) -> None:
            super().__init__()
            self.started, self.released, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def settle(self, permit: Permit, **settlement: object) -> None:
            self.started.set()
            await self.released.wait()
            self.done.set()

    permits = SlowPermits()
    call = asyncio.create_task(omni.perform(omni.dialect.count(), permits))
    await permits.started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    permits.released.set()

    async with asyncio.timeout(60):
        await permits.done.wait()


async def test_without_a_permit_nothing_is_sent(omni: Haravan, shop: ShopHandle) -> None:
    class NoPermits(RecordingPermits):
        async def acquire(self, request: Request) -> Permit:
            raise RateLimitExceeded(0.5)

    with pytest.raises(RateLimitExceeded) as caught:
        await omni.perform(omni.dialect.count(), NoPermits())

    assert caught.value.wait_s == 0.5
    assert shop.calls.count() == 0


async def test_cookies_are_neither_kept_nor_sent(fake_server: FakeServer, permits: RecordingPermits) -> None:
    sent: list[str | None] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        sent.append(request.headers.get("Cookie"))
        response = web.json_response({"count": 1})
        response.set_cookie("session", "1")
        return response

    haravan = fake_server(answer)
    for _ in range(2):
        await haravan.perform(haravan.dialect.count(), permits)

    assert sent == [None, None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    fake_server: FakeServer, permits: RecordingPermits, status: int
) -> None:
    paths: list[str] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        paths.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    haravan = fake_server(answer)
    with pytest.raises(ApiUnavailable, match="check the API address"):
        await haravan.perform(haravan.dialect.count(), permits)

    assert paths == ["/com/customers/count.json"]


async def test_a_delete_request_has_its_body_and_the_token(
    fake_server: FakeServer, permits: RecordingPermits
) -> None:
    received: list[tuple[str, str | None, str, str]] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        headers = request.headers
        received.append(
            (request.method, headers.get("Authorization"), headers.get("Content-Type", ""), body.decode())
        )
        return web.json_response({"tags": None})

    haravan = fake_server(answer)
    await haravan.perform(haravan.dialect.remove_tags(CustomerId(7), ["Khách VIP"]), permits)

    assert received == [("DELETE", "Bearer token-1", "application/json", '{"tags":"Khách VIP"}')]


async def test_the_offset_of_a_time_survives_the_query(
    fake_server: FakeServer, permits: RecordingPermits
) -> None:
    received: list[dict[str, str]] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        received.append(dict(request.query))
        return web.json_response({"customers": []})

    haravan = fake_server(answer)
    await haravan.perform(
        haravan.dialect.page(updated_min=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)), permits
    )

    assert received == [{"since_id": "0", "limit": "50", "updated_at_min": "2026-01-02T03:04:05+00:00"}]


async def test_on_request_is_called_with_the_status_and_with_none_if_there_is_no_response(
    connect: Connect, shop: ShopHandle, permits: RecordingPermits
) -> None:
    requests: list[tuple[str, int | None]] = []
    omni = connect(on_request=lambda endpoint, status, seconds: requests.append((endpoint, status)))
    shop.faults.lose_answer(endpoint="GET search")

    await omni.perform(omni.dialect.count(), permits)
    with pytest.raises(ApiUnavailable):
        await omni.perform(omni.dialect.search("Ánh"), permits)

    assert requests == [("GET count", 200), ("GET search", None)]


def gzipped(*parts: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return b"".join([*(packer.compress(part) for part in parts), packer.flush()])


MIB = b" " * 2**20


HUGE_GZIP = gzipped(b'{"customers": []', *[MIB] * 300, b"}")


async def _plain() -> AsyncIterator[bytes]:
    for _ in range(64):
        yield MIB


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: web.Response(body=HUGE_GZIP, headers={"Content-Encoding": "gzip"}), id="gzip"),
        pytest.param(lambda: web.Response(body=_plain()), id="plain"),
    ],
)
async def test_a_huge_response_fails_its_call_and_is_never_in_memory(
    fake_server: FakeServer, permits: RecordingPermits, answer: Callable[[], web.Response]
) -> None:
    haravan = fake_server(lambda request, _: answer())
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        with pytest.raises(ResponseTooLarge, match="more than 8 MiB"):
            await haravan.perform(haravan.dialect.page(), permits)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak - before < 40 * 2**20
    assert permits.settled == [("GET customers", None, None, None, None)]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
async def test_a_compressed_response_is_read(
    fake_server: FakeServer, permits: RecordingPermits, encoding: str
) -> None:
    asked: list[str] = []

    def answer(request: web.Request, _: bytes) -> web.StreamResponse:
        asked.append(request.headers["Accept-Encoding"])
        return web.Response(body=gzipped(b'{"count": 7}'), headers={"Content-Encoding": encoding})

    haravan = fake_server(answer)

    assert await haravan.perform(haravan.dialect.count(), permits) == 7
    assert asked == ["gzip"]


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(gzipped(b'{"count": 7}')[:-9], "gzip", id="cut-off"),
        pytest.param(b'{"count": 7}', "gzip", id="no-gzip"),
        pytest.param(gzipped(b'{"count": 7}'), "br", id="another-encoding"),
    ],
)
async def test_a_response_that_cannot_be_decompressed_is_unavailable(
    fake_server: FakeServer, permits: RecordingPermits, body: bytes, encoding: str
) -> None:
    haravan = fake_server(lambda request, _: web.Response(body=body, headers={"Content-Encoding": encoding}))

    with pytest.raises(ApiUnavailable, match="GET count answered with"):
        await haravan.perform(haravan.dialect.count(), permits)
