"""Webhooks: signatures, subscription, handshake, retries and delivery faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.sandbox import Clock, HandshakeFailed, Sandbox, ShopHandle, sign
from deploy.sandbox.webhooks.outbox import RETRY_AFTER_S

VECTORS = {
    "plain": ('{"name":"evan"}', "MPjRYKoc2I99nNv0x3bzx4lSRjDHD7OfV5C/UX5Ijbc="),
    "Vietnamese": (
        '{"id":1037889951,"first_name":"Nguyễn Thị Ánh","tags":"Khách VIP","total_spent":261380000.0000}',
        "IQLV6Yw4T/897bX98/I0rSpoYAprug+WzpAQNHQU6Cg=",
    ),
}


@pytest.mark.parametrize(("body", "signature"), VECTORS.values(), ids=VECTORS)
def test_a_body_is_signed_as_haravan_signs_it(body: str, signature: str) -> None:
    assert sign(body.encode(), "1234") == signature


async def test_a_delivery_carries_the_bare_record_and_its_signature(
    api: Any, shop: ShopHandle, receiver: Any
) -> None:
    shop.subscribe(receiver.url)

    customer = shop.create(first_name="Ánh", last_name="Nguyễn Thị", total_spent=261_380_000)
    await shop.deliveries.wait_idle()

    (delivery,) = receiver.received
    assert (delivery.topic, delivery.org) == ("customers/create", "1000000001")
    assert delivery.signature == sign(delivery.body, "secret-1")
    assert "Nguyễn Thị".encode() in delivery.body
    assert b'"total_spent":261380000.0000' in delivery.body
    assert json.loads(delivery.body) == shop.customer(customer)
    assert delivery.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "X-Haravan-Test" not in delivery.headers


EVENTS = {
    "create": (lambda shop, customer: shop.create(), ["customers/create"]),
    "edit": (lambda shop, customer: shop.edit(customer, note="x"), ["customers/update"]),
    "a silent edit": (lambda shop, customer: shop.edit(customer, announce=False, note="x"), []),
    "delete": (lambda shop, customer: shop.delete(customer), ["customers/delete"]),
    "order": (lambda shop, customer: shop.order(customer, 1), ["customers/update"]),
    "refund": (lambda shop, customer: shop.refund(customer, 1), ["customers/update"]),
    "tag by hand": (lambda shop, customer: shop.tag_by_hand(customer, "x"), ["customers/update"]),
    "the same tag by hand": (lambda shop, customer: shop.tag_by_hand(customer, "VIP"), []),
    "untag by hand": (lambda shop, customer: shop.untag_by_hand(customer, "VIP"), ["customers/update"]),
    "sent again": (lambda shop, customer: shop.resend(customer), ["customers/update"]),
}


@pytest.mark.parametrize(("event", "topics"), EVENTS.values(), ids=EVENTS)
async def test_what_happens_is_announced(
    api: Any, shop: ShopHandle, receiver: Any, event: Any, topics: list[str]
) -> None:
    customer = shop.create(tags="VIP")
    shop.subscribe(receiver.url)

    event(shop, customer)
    await shop.deliveries.wait_idle()

    assert receiver.topics == topics


async def test_the_webhook_of_a_deletion_has_only_the_id(api: Any, shop: ShopHandle, receiver: Any) -> None:
    customer = shop.create()
    shop.subscribe(receiver.url)

    shop.delete(customer)
    await shop.deliveries.wait_idle()

    assert json.loads(receiver.received[0].body) == {"id": customer}


async def test_order_topics_come_when_switched_on(api: Any, shop: ShopHandle, receiver: Any) -> None:
    customer = shop.create()
    shop.subscribe(receiver.url, topics=["orders/create", "orders/paid", "refunds/create"])

    shop.order(customer, 100_000)
    shop.refund(customer, 40_000)
    await shop.deliveries.wait_idle()

    assert sorted(receiver.topics) == ["orders/create", "orders/paid", "refunds/create"]
    assert {json.loads(delivery.body)["customer"]["id"] for delivery in receiver.received} == {customer}


@pytest.mark.parametrize("echo", [True, False])
async def test_a_tag_write_comes_back_if_echoes_are_on(
    api: Any, shop: ShopHandle, receiver: Any, echo: bool
) -> None:
    customer = shop.create()
    shop.shop.echo = echo
    shop.subscribe(receiver.url)

    await api("POST", f"/com/customers/{customer}/tags.json", {"tags": "VIP"})
    await shop.deliveries.wait_idle()

    assert receiver.topics == (["customers/update"] if echo else [])


async def test_an_api_update_is_announced_either_way(api: Any, shop: ShopHandle, receiver: Any) -> None:
    customer = shop.create()
    shop.shop.echo = False
    shop.subscribe(receiver.url)

    await api("PUT", f"/com/customers/{customer}.json", {"customer": {"note": "x"}})
    await shop.deliveries.wait_idle()

    assert receiver.topics == ["customers/update"]


async def test_a_test_delivery_says_so(api: Any, shop: ShopHandle, receiver: Any) -> None:
    customer = shop.create()
    shop.subscribe(receiver.url)

    shop.resend(customer, test=True)
    await shop.deliveries.wait_idle()

    assert receiver.received[0].headers["X-Haravan-Test"] == "True"


async def test_the_older_header_name_can_be_sent(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.deliveries.header = "X-Haravan-Hmac-Sha256"
    shop.subscribe(receiver.url)

    shop.create()
    await shop.deliveries.wait_idle()

    assert receiver.received[0].headers["X-Haravan-Hmac-Sha256"] == sign(
        receiver.received[0].body, "secret-1"
    )


async def test_a_body_can_lack_fields(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.deliveries.missing_fields = frozenset({"total_spent"})
    shop.subscribe(receiver.url)

    shop.create()
    await shop.deliveries.wait_idle()

    assert "total_spent" not in json.loads(receiver.received[0].body)


async def test_any_body_can_be_delivered_correctly_signed_or_forged(
    api: Any, shop: ShopHandle, receiver: Any
) -> None:
    shop.subscribe(receiver.url)

    shop.deliver("carts/update", "không phải JSON")
    shop.deliver("customers/update", b"{}", signature="forged", org="9")
    await shop.deliveries.wait_idle()

    deliveries = {delivery.topic: delivery for delivery in receiver.received}
    assert deliveries["carts/update"].signature == sign("không phải JSON".encode(), "secret-1")
    assert (deliveries["customers/update"].signature, deliveries["customers/update"].org) == ("forged", "9")


def test_nothing_is_delivered_without_a_subscription(shop: ShopHandle) -> None:
    with pytest.raises(ValueError, match="there is no subscription"):
        shop.deliver("customers/update", "{}")


async def test_a_replaced_secret_signs_what_follows(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.subscribe(receiver.url)
    shop.replace_secret("secret-new")

    shop.create()
    await shop.deliveries.wait_idle()

    assert receiver.received[0].signature == sign(receiver.received[0].body, "secret-new")


async def test_a_body_sent_in_pieces_is_the_same_body(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.deliveries.chunk_bytes = 7
    shop.subscribe(receiver.url)

    customer = shop.create(first_name="Nguyễn Thị Ánh")
    await shop.deliveries.wait_idle()

    assert receiver.received[0].body == shop.body(customer)
    assert receiver.received[0].headers["Transfer-Encoding"] == "chunked"


# --- subscription ------------------------------------------------------------------------------


async def test_subscribing_makes_the_handshake(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.app(receiver.url, "verify-1")

    response = await api("POST", "/api/subscribe", {})

    assert response.json == {"error": False, "message": "Subscribed"}
    assert receiver.handshakes[0]["hub.mode"] == "subscribe"
    assert receiver.handshakes[0]["hub.verify_token"] == "verify-1"
    assert [subscription["event"] for subscription in shop.subscriptions] == [
        "customers/create",
        "customers/update",
        "customers/delete",
    ]


async def test_subscriptions_are_listed_and_deleted(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.subscribe(receiver.url, topics=["customers/update"])

    listed = await api("GET", "/api/subscribe")
    deleted = await api("DELETE", "/api/subscribe")
    after = await api("GET", "/api/subscribe")

    assert (listed.json["error"], deleted.json["error"]) == (False, False)
    assert listed.json["data"] == [{"id": 7_000_001, "event": "customers/update", "url": receiver.url}]
    assert after.json["data"] == []


async def test_a_failed_handshake_is_an_error_with_status_200(
    api: Any, shop: ShopHandle, receiver: Any
) -> None:
    receiver.challenge = False
    shop.app(receiver.url, "verify-1")

    response = await api("POST", "/api/subscribe", {})

    assert (response.status, response.json["error"]) == (200, True)
    assert shop.subscriptions == []


async def test_an_app_without_an_address_cannot_subscribe(api: Any) -> None:
    response = await api("POST", "/api/subscribe", {})

    assert (response.status, response.json) == (200, {"error": True, "message": "The app has no webhook URL"})


async def test_an_awaited_subscription_makes_the_handshake(api: Any, shop: ShopHandle, receiver: Any) -> None:
    await shop.subscribe(receiver.url, "verify-1")
    receiver.challenge = False

    with pytest.raises(HandshakeFailed):
        await shop.subscribe(receiver.url, "verify-1")

    assert len(receiver.handshakes) == 2
    assert shop.subscriptions == []


async def test_without_a_subscription_nothing_is_sent(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.app(receiver.url)

    shop.create()
    await shop.deliveries.wait_idle()

    assert (receiver.received, shop.deliveries.pending) == ([], 0)


async def test_subscription_calls_do_not_count_against_the_limit_but_can_fail(
    api: Any, shop: ShopHandle
) -> None:
    shop.consume_quota(80)
    shop.faults.fail(503, endpoint="GET subscribe", html=False)

    failed, response = await api("GET", "/api/subscribe"), await api("GET", "/api/subscribe")

    assert (failed.status, response.status) == (503, 200)
    assert "x-haravan-api-call-limit" not in response.headers
    assert shop.calls.by_endpoint() == {"GET subscribe": 2}


async def test_an_uninstalled_app_gets_a_webhook_and_loses_its_access(
    api: Any, shop: ShopHandle, receiver: Any
) -> None:
    shop.subscribe(receiver.url)

    shop.uninstall()
    shop.create()
    await shop.deliveries.wait_idle()

    assert receiver.topics == ["app/uninstalled"]
    assert shop.subscriptions == []
    assert (await api("GET", "/com/shop.json")).status == 401


async def test_an_app_installed_again_must_subscribe_again(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.subscribe(receiver.url)
    shop.uninstall()
    await shop.deliveries.wait_idle()

    shop.install("token-1")
    shop.create()
    silent = shop.deliveries.pending
    await api("POST", "/api/subscribe", {})
    shop.create()
    await shop.deliveries.wait_idle()

    assert (silent, receiver.topics) == (0, ["app/uninstalled", "customers/create"])


# --- retries -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 302, 401, 404, 503])
async def test_every_status_other_than_200_is_retried(
    api: Any, shop: ShopHandle, receiver: Any, clock: Clock, status: int
) -> None:
    receiver.statuses = [status]
    shop.subscribe(receiver.url)
    shop.create()
    await shop.deliveries.wait_idle()
    first = len(receiver.received)

    clock.advance(RETRY_AFTER_S[0])
    await shop.deliveries.wait_idle(retries=True)

    assert (first, len(receiver.received)) == (1, 2)
    assert [(sent.status, sent.attempt) for sent in shop.deliveries.log] == [(status, 1), (200, 2)]
    assert receiver.received[0].body == receiver.received[1].body


async def test_a_delivery_without_a_response_in_time_is_retried(api: Any, shop: ShopHandle) -> None:
    shop.subscribe("http://127.0.0.1:9/hook")

    shop.create()
    await shop.deliveries.wait_idle()

    assert [sent.status for sent in shop.deliveries.log] == [0]
    assert shop.deliveries.pending == 1


def test_nineteen_retries_take_forty_eight_hours() -> None:
    assert (len(RETRY_AFTER_S), sum(RETRY_AFTER_S)) == (19, 48 * 3600)


async def test_the_subscription_ends_after_the_last_retry(
    api: Any, shop: ShopHandle, receiver: Any, clock: Clock
) -> None:
    receiver.always = 503
    shop.subscribe(receiver.url)
    shop.create()

    for wait_s in RETRY_AFTER_S:
        await shop.deliveries.wait_idle()
        assert shop.subscriptions != []
        clock.advance(wait_s)
        await shop.deliveries.wait_idle()

    assert [sent.attempt for sent in shop.deliveries.log] == list(range(1, 21))
    assert (shop.subscriptions, shop.deliveries.pending) == ([], 0)


async def test_two_days_that_pass_at_once_have_all_their_retries(
    api: Any, sandbox: Sandbox, shop: ShopHandle, receiver: Any, clock: Clock
) -> None:
    shop.subscribe(receiver.url)
    receiver.always = 503
    started = clock()
    shop.create()

    response = await api("POST", "/_sandbox/advance", {"seconds": 172_800})

    assert response.status == 200
    whens = [sent.when - started for sent in shop.deliveries.log]
    assert whens == pytest.approx([sum(RETRY_AFTER_S[:number]) for number in range(20)], abs=0.01)
    assert [sent.attempt for sent in shop.deliveries.log] == list(range(1, 21))
    assert shop.subscriptions == []
    assert clock() == pytest.approx(started + 172_800)


async def test_what_falls_due_is_sent_in_its_order_across_shops(
    api: Any, sandbox: Sandbox, shop: ShopHandle, receiver: Any
) -> None:
    other = sandbox.add_shop(org="1000000002", token="token-2")
    for number, handle in enumerate((other, shop)):
        handle.subscribe(receiver.url)
        handle.deliveries.delay_s = 100.0 - number
        handle.create()

    await sandbox.play(99.5)
    first = [delivery.org for delivery in receiver.received]
    await sandbox.play(100)

    assert first == [shop.org]
    assert [delivery.org for delivery in receiver.received] == [shop.org, other.org]


async def test_time_passes_beside_paused_deliveries(
    api: Any, sandbox: Sandbox, shop: ShopHandle, receiver: Any
) -> None:
    shop.subscribe(receiver.url)
    shop.deliveries.pause()
    shop.create()

    await sandbox.play(1_000)

    assert (receiver.received, shop.deliveries.pending) == ([], 1)


async def test_failures_may_be_counted_across_deliveries(api: Any, shop: ShopHandle, receiver: Any) -> None:
    receiver.always = 503
    shop.deliveries.count_across = True
    shop.subscribe(receiver.url)

    for _ in range(19):
        shop.create()
    await shop.deliveries.wait_idle()

    assert shop.subscriptions == []


async def test_retries_can_be_made_fast(api: Any, shop: ShopHandle, receiver: Any) -> None:
    receiver.statuses = [503, 503]
    shop.deliveries.time_scale = 0.0
    shop.subscribe(receiver.url)

    shop.create()
    await shop.deliveries.wait_idle(retries=True)

    assert [sent.status for sent in shop.deliveries.log] == [503, 503, 200]


# --- disturbances ------------------------------------------------------------------------------


async def test_a_pause_holds_everything_back(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.subscribe(receiver.url)
    shop.deliveries.pause()
    shop.create()
    await shop.deliveries.wait_idle()
    held = shop.deliveries.pending

    shop.deliveries.resume()
    await shop.deliveries.wait_idle()

    assert (held, len(receiver.received), shop.deliveries.pending) == (1, 1, 0)


async def test_deliveries_can_be_doubled(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.deliveries.duplicate_rate = 1.0
    shop.subscribe(receiver.url)

    shop.create()
    await shop.deliveries.wait_idle()

    assert len({delivery.body for delivery in receiver.received}) == 1
    assert len(receiver.received) == 2


async def test_deliveries_can_be_dropped(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.deliveries.drop_rate = 1.0
    shop.subscribe(receiver.url)

    shop.create()
    await shop.deliveries.wait_idle()

    assert receiver.received == []
    assert [sent.status for sent in shop.deliveries.log] == [None]


async def test_deliveries_can_be_late(api: Any, shop: ShopHandle, receiver: Any, clock: Clock) -> None:
    shop.deliveries.delay_s = 30.0
    shop.subscribe(receiver.url)
    shop.create()
    early = len(shop.deliveries.log)

    clock.advance(30)
    await shop.deliveries.wait_idle()

    assert (early, len(receiver.received)) == (0, 1)


async def test_deliveries_can_be_reordered(api: Any, shop: ShopHandle, receiver: Any, clock: Clock) -> None:
    shop.deliveries.reorder_rate = 0.5
    shop.deliveries.concurrency = 1
    shop.subscribe(receiver.url)
    made = [shop.create() for _ in range(20)]

    clock.advance(1)
    await shop.deliveries.wait_idle()

    delivery = [json.loads(delivery.body)["id"] for delivery in receiver.received]
    assert sorted(delivery) == made
    assert delivery != made


async def test_a_thousand_deliveries_arrive(api: Any, shop: ShopHandle, receiver: Any) -> None:
    shop.subscribe(receiver.url)

    made = [shop.create() for _ in range(1_000)]
    await shop.deliveries.wait_idle()

    assert sorted(json.loads(delivery.body)["id"] for delivery in receiver.received) == made


async def test_a_shop_opened_while_serving_sends_too(api: Any, sandbox: Sandbox, receiver: Any) -> None:
    late = sandbox.add_shop(org="1000000002", token="token-2", secret="secret-2")
    late.subscribe(receiver.url)

    late.create()
    await late.deliveries.wait_idle()

    assert [
        (delivery.org, delivery.signature == sign(delivery.body, "secret-2"))
        for delivery in receiver.received
    ] == [("1000000002", True)]


async def test_waiting_without_a_server_is_an_error_not_a_hang(shop: ShopHandle) -> None:
    shop.subscribe("http://127.0.0.1:9/hook")
    shop.create()

    with pytest.raises(RuntimeError, match="served"):
        await shop.deliveries.wait_idle()
