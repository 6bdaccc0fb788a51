"""The client in front of a server: what goes over the wire, and what becomes of answers that do not come."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

import pytest
from aiohttp import web

from deploy.sandbox import ShopHandle
from service.domain.customers.customer import CustomerId
from service.errors import ApiUnavailable, CustomerNotFound, RateLimited, RequestRejected, TokenRejected
from service.store.queue.rate_limiter import Permit
from tests.workers.haravan.conftest import Connect, Odd, OpenGate
from workers.haravan.calls import Request
from workers.haravan.client import Haravan
from workers.haravan.rate_limit import RateLimitExceeded


def customer_of(shop: ShopHandle, **fields: object) -> CustomerId:
    return CustomerId(shop.create(**fields))


async def test_the_answer_s_header_settles_the_permit(
    omni: Haravan, shop: ShopHandle, permits: OpenGate
) -> None:
    seven = customer_of(shop)

    await omni.perform(omni.dialect.get(seven), permits)

    assert permits.settled == [("GET customer", 200, 1, 80, None)]


async def test_every_request_of_a_call_has_its_own_permit(
    omni: Haravan, shop: ShopHandle, permits: OpenGate
) -> None:
    seven = customer_of(shop, tags="VIP")

    await omni.perform(omni.dialect.change_tags(seven, add=["Vàng"], remove=["VIP"]), permits)

    assert [permit for permit, *_ in permits.settled] == ["POST tags", "DELETE tags"]
    assert [request.kind for request in permits.asked] == ["write", "write"]
    assert [request.customer for request in permits.asked] == [seven, seven]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, TokenRejected),
        (403, TokenRejected),
        (404, CustomerNotFound),
        (422, RequestRejected),
        (500, ApiUnavailable),
        (502, ApiUnavailable),
        (503, ApiUnavailable),
    ],
)
async def test_a_failure_is_settled_and_raised_as_its_error(
    omni: Haravan, shop: ShopHandle, permits: OpenGate, status: int, error: type[Exception]
) -> None:
    seven = customer_of(shop)
    shop.faults.fail(status)

    with pytest.raises(error):
        await omni.perform(omni.dialect.get(seven), permits)

    assert permits.settled[0][:2] == ("GET customer", status)


async def test_an_html_page_in_place_of_the_answer_is_unavailable(
    omni: Haravan, shop: ShopHandle, permits: OpenGate
) -> None:
    shop.faults.fail(502, html=True)

    with pytest.raises(ApiUnavailable, match="GET count answered 502: an HTML page"):
        await omni.perform(omni.dialect.count(), permits)


async def test_a_wrong_token_is_unauthorised_and_not_repeated_in_the_error(
    connect: Connect, permits: OpenGate
) -> None:
    stranger = connect(token="a-token-of-another-shop")

    with pytest.raises(TokenRejected) as caught:
        await stranger.perform(stranger.dialect.count(), permits)

    assert "a-token" not in str(caught.value)


async def test_a_token_that_no_header_can_carry_is_unauthorised(
    connect: Connect, shop: ShopHandle, permits: OpenGate
) -> None:
    broken = connect(token="token-1\r\nX-Other: 1")

    with pytest.raises(TokenRejected, match="no header can carry") as caught:
        await broken.perform(broken.dialect.count(), permits)

    assert "X-Other" not in str(caught.value)
    assert shop.calls.count() == 0


async def test_a_429_says_how_long_the_shop_waits(omni: Haravan, shop: ShopHandle, permits: OpenGate) -> None:
    shop.faults.throttle(retry_after=7.5)

    with pytest.raises(RateLimited) as caught:
        await omni.perform(omni.dialect.count(), permits)

    assert caught.value.retry_after_s == 7.5
    assert permits.settled == [("GET count", 429, 1, 80, 7.5)]


async def test_a_429_between_the_two_requests_of_a_change_keeps_what_was_added(
    omni: Haravan, shop: ShopHandle, permits: OpenGate
) -> None:
    seven = customer_of(shop, tags="VIP")
    shop.faults.throttle(endpoint="DELETE tags")

    with pytest.raises(RateLimited):
        await omni.perform(omni.dialect.change_tags(seven, add=["Vàng"], remove=["VIP"]), permits)

    assert shop.tags(seven) == {"VIP", "Vàng"}


async def test_a_server_that_says_nothing_is_unavailable_after_the_time_limit(
    connect: Connect, shop: ShopHandle, permits: OpenGate
) -> None:
    hasty = connect(call_timeout_s=0.05)
    shop.faults.timeout(seconds=60)

    with pytest.raises(ApiUnavailable, match="GET count got no answer") as caught:
        await hasty.perform(hasty.dialect.count(), permits)

    assert caught.value.status is None
    assert permits.settled == [("GET count", None, None, None, None)]


async def test_a_lost_answer_of_a_write_is_unavailable_though_it_took_effect(
    omni: Haravan, shop: ShopHandle, permits: OpenGate
) -> None:
    seven = customer_of(shop)
    shop.faults.lose_answer()

    with pytest.raises(ApiUnavailable):
        await omni.perform(omni.dialect.add_tags(seven, ["VIP"]), permits)

    assert shop.tags(seven) == {"VIP"}
    assert permits.settled == [("POST tags", None, None, None, None)]


async def test_a_lost_answer_is_not_asked_for_again_behind_our_back(
    omni: Haravan, shop: ShopHandle, permits: OpenGate
) -> None:
    seven = customer_of(shop, tags="VIP")
    shop.faults.lose_answer(endpoint="*", rate=1.0)

    with pytest.raises(ApiUnavailable, match="ServerDisconnectedError"):
        await omni.perform(omni.dialect.remove_tags(seven, ["VIP"]), permits)

    assert shop.calls.count() == 1


async def test_a_refused_connection_is_unavailable(connect: Connect, permits: OpenGate) -> None:
    with socket.socket() as deaf:  # nobody listens, and nobody else can
        deaf.bind(("127.0.0.1", 0))
        nowhere = connect(at=f"http://127.0.0.1:{deaf.getsockname()[1]}")

        with pytest.raises(ApiUnavailable, match="got no answer"):
            await nowhere.perform(nowhere.dialect.search("Nguyễn Thị Ánh"), permits)


async def test_an_error_without_an_answer_keeps_the_search_and_the_token_to_itself(
    connect: Connect, shop: ShopHandle, permits: OpenGate
) -> None:
    shop.faults.lose_answer(endpoint="GET search")
    omni = connect()

    with pytest.raises(ApiUnavailable) as caught:
        await omni.perform(omni.dialect.search("Nguyễn Thị Ánh"), permits)

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert not {"Ánh", "token"} & set(str(caught.value).split())


async def test_a_cancelled_call_is_settled_as_spent(
    omni: Haravan, shop: ShopHandle, permits: OpenGate
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


async def test_a_call_cancelled_while_it_is_settled_is_settled_all_the_same(omni: Haravan) -> None:
    class SlowGate(OpenGate):
        def __init__(self) -> None:
            super().__init__()
            self.begun, self.go_on, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def settle(self, permit: Permit, **said: object) -> None:
            self.begun.set()
            await self.go_on.wait()
            self.done.set()

    gate = SlowGate()
    call = asyncio.create_task(omni.perform(omni.dialect.count(), gate))
    await gate.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    gate.go_on.set()

    async with asyncio.timeout(60):
        await gate.done.wait()


async def test_without_room_nothing_is_sent(omni: Haravan, shop: ShopHandle) -> None:
    class ShutGate(OpenGate):
        async def acquire(self, request: Request) -> Permit:
            raise RateLimitExceeded(0.5)

    with pytest.raises(RateLimitExceeded) as caught:
        await omni.perform(omni.dialect.count(), ShutGate())

    assert caught.value.wait_s == 0.5
    assert shop.calls.count() == 0


async def test_cookies_are_neither_kept_nor_sent(odd: Odd, permits: OpenGate) -> None:
    sent: list[str | None] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        sent.append(request.headers.get("Cookie"))
        given = web.json_response({"count": 1})
        given.set_cookie("session", "1")
        return given

    haravan = odd(answer)
    for _ in range(2):
        await haravan.perform(haravan.dialect.count(), permits)

    assert sent == [None, None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(odd: Odd, permits: OpenGate, status: int) -> None:
    asked: list[str] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    haravan = odd(answer)
    with pytest.raises(ApiUnavailable, match="check the API address"):
        await haravan.perform(haravan.dialect.count(), permits)

    assert asked == ["/com/customers/count.json"]


async def test_a_deletion_carries_its_body_and_every_call_its_token(odd: Odd, permits: OpenGate) -> None:
    seen: list[tuple[str, str | None, str, str]] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        headers = request.headers
        seen.append(
            (request.method, headers.get("Authorization"), headers.get("Content-Type", ""), body.decode())
        )
        return web.json_response({"tags": None})

    haravan = odd(answer)
    await haravan.perform(haravan.dialect.remove_tags(CustomerId(7), ["Khách VIP"]), permits)

    assert seen == [("DELETE", "Bearer token-1", "application/json", '{"tags":"Khách VIP"}')]


async def test_a_time_s_offset_survives_the_query(odd: Odd, permits: OpenGate) -> None:
    seen: list[dict[str, str]] = []

    def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        seen.append(dict(request.query))
        return web.json_response({"customers": []})

    haravan = odd(answer)
    await haravan.perform(
        haravan.dialect.page(updated_min=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)), permits
    )

    assert seen == [{"since_id": "0", "limit": "50", "updated_at_min": "2026-01-02T03:04:05+00:00"}]


async def test_the_observer_is_told_of_answers_and_of_their_want(
    connect: Connect, shop: ShopHandle, permits: OpenGate
) -> None:
    told: list[tuple[str, int | None]] = []
    omni = connect(on_request=lambda endpoint, status, seconds: told.append((endpoint, status)))
    shop.faults.lose_answer(endpoint="GET search")

    await omni.perform(omni.dialect.count(), permits)
    with pytest.raises(ApiUnavailable):
        await omni.perform(omni.dialect.search("Ánh"), permits)

    assert told == [("GET count", 200), ("GET search", None)]
