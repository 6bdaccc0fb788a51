"""The subscription to our app's webhooks: listed, made and removed, and errors with status 200."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import pytest

from deploy.sandbox import ShopHandle
from service.errors import ApiUnavailable, HaravanError, RequestRejected, TokenRejected
from workers.haravan.calls import Request, Response
from workers.haravan.subscription import SubscribedEvent, Subscription, parse_body, parse_events

SUBSCRIBE = Request("POST subscribe", "", json={})


@pytest.fixture
def subscribe(session: aiohttp.ClientSession, url: str, shop: ShopHandle) -> Callable[..., Subscription]:
    def made(token: str = shop.token) -> Subscription:
        return Subscription(session, address=f"{url}/api/subscribe", token=token)

    return made


async def test_a_shop_is_subscribed_and_unsubscribed(
    subscribe: Callable[..., Subscription], shop: ShopHandle
) -> None:
    shop.app("http://127.0.0.1:9/webhooks/haravan")
    subscription = subscribe()
    assert await subscription.list_events() == ()

    await subscription.subscribe()
    events = await subscription.list_events()
    await subscription.unsubscribe()

    assert {entry.event for entry in events} >= {"customers/create", "customers/update", "customers/delete"}
    assert {entry.url for entry in events} == {"http://127.0.0.1:9/webhooks/haravan"}
    assert await subscription.list_events() == ()


async def test_its_requests_do_not_count_against_the_rate_limit(
    subscribe: Callable[..., Subscription], shop: ShopHandle
) -> None:
    await subscribe().list_events()

    assert shop.status()["bucket"] == "0/80"


async def test_an_error_with_status_200_is_rejected_with_its_reason(
    subscribe: Callable[..., Subscription],
) -> None:
    with pytest.raises(RequestRejected, match="reported an error") as caught:
        await subscribe().subscribe()

    assert "The app has no webhook URL" in caught.value.response_text


async def test_a_wrong_token_is_rejected(subscribe: Callable[..., Subscription]) -> None:
    with pytest.raises(TokenRejected):
        await subscribe("another").list_events()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(200, b'{"error": true, "message": "no topic"}', RequestRejected, id="flag"),
        pytest.param(200, b'{"error": "no topic"}', RequestRejected, id="text"),
        pytest.param(200, b"<html>", ApiUnavailable, id="html"),
        pytest.param(302, b"", ApiUnavailable, id="login-page"),
        pytest.param(404, b"", ApiUnavailable, id="wrong-address"),
        pytest.param(503, b"", ApiUnavailable, id="maintenance"),
    ],
)
def test_a_failed_subscription_is_an_error(status: int, body: bytes, error: type[HaravanError]) -> None:
    with pytest.raises(error):
        parse_body(SUBSCRIBE, Response(status, {}, body))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"error": false, "message": "OK"}'], ids=["empty", "bare", "in-words"]
)
def test_every_form_of_success_is_accepted(body: bytes) -> None:
    parse_body(SUBSCRIBE, Response(200, {}, body))


ENTRY = {"id": 7, "event": "customers/update", "url": "https://example.com/hook"}
READ = SubscribedEvent("7", "customers/update", "https://example.com/hook")


@pytest.mark.parametrize(
    ("content", "events"),
    [
        pytest.param([ENTRY], (READ,), id="bare-list"),
        pytest.param({"error": False, "data": [ENTRY]}, (READ,), id="under-data"),
        pytest.param({"subscriptions": [ENTRY]}, (READ,), id="under-another-key"),
        pytest.param({"error": False, "data": None}, (), id="null"),
        pytest.param([None, {}, "customers/update"], (), id="not-entries"),
        pytest.param(
            [{"event": "customers/update"}], (SubscribedEvent("", "customers/update", ""),), id="no-url"
        ),
        pytest.param(None, (), id="nothing"),
    ],
)
def test_the_events_are_found_under_any_key(content: object, events: tuple[SubscribedEvent, ...]) -> None:
    assert parse_events(content) == events
