"""The answer to each kind of webhook, and what it stores."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from service.domain.customers.customer import CustomerId, OrgId, digest
from service.domain.customers.records import parse_record
from service.settings import Settings
from service.store.client import RedisClient, keys
from service.store.history.deliveries import UNKNOWN_SHOP, Delivery, list_deliveries, list_for_customer
from service.store.history.rejections import load_webhook_report
from service.store.shops.repository import ShopRepository
from tests.support.sender import PATH, Sender, signature
from tests.support.shop import ORG, OTHER_ORG, OWN_SECRET
from tests.support.web_server import app_client

CUSTOMER = json.dumps({"id": 7, "first_name": "Ánh", "updated_at": "2026-03-01T00:00:00Z"}).encode()
P = keys.shop(ORG)


async def recorded(redis: RedisClient, org: str = ORG) -> list[Delivery]:
    """The shop's deliveries, oldest first."""
    return list(reversed((await list_deliveries(redis, OrgId(org))).deliveries))


async def marked(redis: RedisClient, org: str = ORG) -> list[bytes]:
    """Who is to be looked at."""
    return list(await redis.zrange(keys.shop(org, "ready:live"), 0, -1))


async def test_a_signed_webhook_is_recorded_marked_and_wakes_its_shop(
    redis: RedisClient, sender: Sender
) -> None:
    answer = await sender.deliver(CUSTOMER)

    assert answer.status_code == 200
    assert await marked(redis) == [b"7"]
    assert await redis.hget(P + "mark:7", "updated_ms") == b"1772323200000"
    [delivery] = await recorded(redis)
    assert (delivery.customer, delivery.outcome, delivery.topic) == (7, "marked", "customers/update")
    assert (delivery.size, delivery.repeats, delivery.test) == (len(CUSTOMER), 0, False)


async def test_many_webhooks_cause_one_wakeup(redis: RedisClient, sender: Sender) -> None:
    bodies = [json.dumps({"id": number}).encode() for number in range(1, 51)]

    answers = await asyncio.gather(*(sender.deliver(body) for body in bodies))

    assert {answer.status_code for answer in answers} == {200}
    assert len(await marked(redis)) == len(await recorded(redis)) == 50
    assert await redis.queue.bzpopmin("tagger:queue:drain", timeout=5) is not None
    assert await redis.queue.zcard("tagger:queue:drain") == 0


async def test_a_repeat_is_counted_on_the_first_record_under_any_topic(
    redis: RedisClient, sender: Sender
) -> None:
    await sender.deliver(CUSTOMER)

    for topic in ("customers/update", "customers/enable", "made/up"):
        assert (await sender.deliver(CUSTOMER, topic=topic)).status_code == 200

    [delivery] = await recorded(redis)
    assert (delivery.repeats, delivery.topic, delivery.outcome) == (3, "customers/update", "marked")


async def test_a_repeat_marks_a_customer_that_was_processed_meanwhile(
    redis: RedisClient, sender: Sender
) -> None:
    await sender.deliver(CUSTOMER)
    await redis.delete(P + "mark:7", P + "ready:live")  # as a drain leaves it

    await sender.deliver(CUSTOMER)

    assert await marked(redis) == [b"7"]


async def test_a_repeated_deletion_of_a_known_body_is_still_a_deletion(
    redis: RedisClient, sender: Sender
) -> None:
    await sender.deliver(CUSTOMER)

    await sender.deliver(CUSTOMER, topic="customers/delete")

    assert b"deletion" in (await redis.hget(P + "mark:7", "reasons") or b"")


async def test_the_echo_of_a_drain_is_recorded_and_marks_no_customer(
    redis: RedisClient, sender: Sender
) -> None:
    whole = dict.fromkeys(("total_spent", "orders_count", "tags", "created_at", "last_order_date", "birthday", "gender", "state", "accepts_marketing", "verified_email", "group_name", "default_address", "first_name", "last_name", "email", "phone", "note"))  # fmt: skip
    body = json.dumps({"id": 7, **whole}).encode()
    await redis.hset(P + "echo_digests", "7", digest(parse_record(body).customer))

    answer = await sender.deliver(body)

    assert answer.status_code == 200
    assert await marked(redis) == []
    assert [each.outcome for each in await recorded(redis)] == ["echo"]


@pytest.mark.parametrize(
    ("body", "headers", "outcome"),
    [
        pytest.param(CUSTOMER, {"X_Haravan_Test": "True"}, "ignored:test", id="a test delivery"),
        pytest.param(b"", {}, "ignored:unreadable", id="0 bytes"),
        pytest.param(b"[1]", {}, "ignored:unreadable", id="an array"),
        pytest.param(b'{"id": -1}', {}, "ignored:bad_id", id="a bad id"),
        pytest.param(b'{"id": 9}', {"topic": "products/update"}, "ignored:no_customer", id="another topic"),
        pytest.param(b'{"id": 9}', {"topic": None}, "ignored:no_customer", id="no topic"),
        pytest.param(b"{}", {"topic": "app/uninstalled"}, "ignored:uninstalled", id="uninstalled"),
    ],
)
async def test_a_webhook_that_no_retry_could_repair_is_answered_200_and_recorded_with_its_reason(
    redis: RedisClient, sender: Sender, body: bytes, headers: dict[str, str | None], outcome: str
) -> None:
    answer = await sender.deliver(body, **headers)  # type: ignore[arg-type]

    assert answer.status_code == 200
    assert [each.outcome for each in await recorded(redis)] == [outcome]
    assert await marked(redis) == []


@pytest.mark.parametrize(
    ("org", "outcome", "kept"),
    [
        pytest.param("999", "ignored:unknown_shop", "999", id="unknown"),
        pytest.param(None, "ignored:no_org", "", id="missing"),
        pytest.param("1e9", "ignored:no_org", "", id="not a number"),
        pytest.param("1" * 40, "ignored:no_org", "", id="endless"),
        pytest.param("١٢٣", "ignored:no_org", "", id="digits of another script"),
    ],
)
async def test_signed_deliveries_for_unknown_shops_are_recorded_in_one_place(
    redis: RedisClient, sender: Sender, org: str | None, outcome: str, kept: str
) -> None:
    answer = await sender.deliver(CUSTOMER, org=None if org is None else org.encode())  # type: ignore[arg-type]

    assert answer.status_code == 200
    assert [(each.outcome, each.org) for each in await recorded(redis, UNKNOWN_SHOP)] == [(outcome, kept)]
    assert not await redis.exists(keys.shop(str(org), "deliveries"))


async def test_a_legacy_shop_is_known_by_its_domain(redis: RedisClient, sender: Sender) -> None:
    await sender.deliver(CUSTOMER)  # the first webhook loads the shops

    answer = await sender.deliver(CUSTOMER, org=None, Haravan_Shop_Domain="hai.myharavan.com")

    assert answer.status_code == 200
    assert await marked(redis, OTHER_ORG) == [b"7"]


@pytest.mark.parametrize(
    ("secret", "org", "status"),
    [
        pytest.param("an-older-secret", ORG, 200, id="the app's older secret"),
        pytest.param(OWN_SECRET, ORG, 200, id="the shop's own secret"),
        pytest.param(OWN_SECRET, OTHER_ORG, 401, id="another shop's secret"),
        pytest.param(OWN_SECRET, "999", 401, id="a shop's secret for an unknown shop"),
        pytest.param("nobody's", ORG, 401, id="nobody's secret"),
    ],
)
async def test_a_shops_secret_is_valid_for_this_shop_only(
    sender: Sender, secret: str, org: str, status: int
) -> None:
    assert (await sender.deliver(CUSTOMER, secret=secret, org=org)).status_code == status


@pytest.mark.parametrize(
    ("new", "old", "status"),
    [
        pytest.param(None, signature(CUSTOMER), 200, id="only the old name"),
        pytest.param("wrong", signature(CUSTOMER), 401, id="a wrong new one is not helped by the old one"),
        pytest.param("", signature(CUSTOMER), 401, id="an empty new one is there"),
        pytest.param(signature(CUSTOMER), "wrong", 200, id="the new one counts"),
        pytest.param(None, None, 401, id="neither"),
    ],
)
async def test_the_old_signature_header_counts_only_without_the_new_one(
    sender: Sender, new: str | None, old: str | None, status: int
) -> None:
    answer = await sender.deliver(CUSTOMER, X_Haravan_HmacSha256=new, X_Haravan_Hmac_Sha256=old)

    assert answer.status_code == status


async def test_a_rejected_webhook_stores_nothing(redis: RedisClient, sender: Sender) -> None:
    answer = await sender.deliver(CUSTOMER, secret="wrong")

    assert answer.status_code == 401
    assert await recorded(redis) == await recorded(redis, UNKNOWN_SHOP) == []
    assert await marked(redis) == []


PACKED = gzip.compress(CUSTOMER)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(PACKED, {"Content_Encoding": "gzip"}, id="gzip, signed over compressed bytes"),
        pytest.param(PACKED, {"Content_Encoding": "gzip", "X_Haravan_HmacSha256": signature(CUSTOMER)}, id="gzip, signed over plain bytes"),
        pytest.param(zlib.compress(CUSTOMER), {"Content_Encoding": "deflate"}, id="deflate"),
        pytest.param(b"\x0b\x03\x80" + CUSTOMER, {"Content_Encoding": "br"}, id="br"),
        pytest.param(CUSTOMER, {"Content_Encoding": "gzip, identity"}, id="several"),
        pytest.param(PACKED, {}, id="gzip without its header"),
        pytest.param(PACKED, {"X_Haravan_HmacSha256": signature(CUSTOMER)}, id="gzip without its header, signed over plain bytes"),
        pytest.param(zlib.compress(CUSTOMER), {}, id="deflate without its header"),
    ],
)  # fmt: skip
async def test_a_compressed_webhook_is_refused_by_name_and_raises_an_alert(
    redis: RedisClient, settings: Settings, shops: ShopRepository, body: bytes, headers: dict[str, str]
) -> None:
    async with app_client(settings) as client:
        sender = Sender(client)
        await sender.deliver(b'{"id": 8}')  # the first webhook loads the shops
        answer = await sender.deliver(body, **headers)

    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
    assert [each.customer for each in await recorded(redis)] == [8]
    assert await redis.exists(keys.shop(ORG, "alert_sent:webhook_compressed"))
    [shop] = (await load_webhook_report(redis, [ORG])).shops
    assert shop.rejected["content_encoding"].count == 1


async def test_webhooks_that_do_not_arrive_are_in_the_report(
    redis: RedisClient, settings: Settings, shops: ShopRepository
) -> None:
    async with app_client(settings) as client:
        sender = Sender(client)
        for _ in range(6):
            await sender.deliver(CUSTOMER, secret=OWN_SECRET, org=OTHER_ORG)
        for _ in range(5):
            await sender.deliver(CUSTOMER, org="1000114691")

    report = await load_webhook_report(redis, [ORG, OTHER_ORG])

    assert sum(tally.count for tally in report.shops[1].rejected.values()) == 6
    assert report.shops[1].accepted_ms is None
    assert {org: tally.count for org, tally in report.unknown_shops.items()} == {"1000114691": 5}


async def test_every_split_of_a_vietnamese_body_is_the_same_body(
    redis: RedisClient, client: httpx2.AsyncClient
) -> None:
    body = '{"id":7,"first_name":"Ánh"}'.encode()
    headers = {"X-Haravan-Topic": "customers/update", "X-Haravan-Org-Id": ORG, "X-Haravan-HmacSha256": signature(body)}  # fmt: skip

    async def split(at: int) -> AsyncIterator[bytes]:
        yield body[:at]
        yield body[at:]

    answers = [await client.post(PATH, content=split(at), headers=headers) for at in range(len(body) + 1)]

    assert {answer.status_code for answer in answers} == {200}
    assert {each.signature for each in await recorded(redis)} == {signature(body)}


@pytest.mark.parametrize(
    ("size", "status"),
    [pytest.param(1024 * 1024, 200, id="1 MiB"), pytest.param(1024 * 1024 + 1, 413, id="one byte more")],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
async def test_a_body_may_have_1_mib(sender: Sender, size: int, status: int, chunked: bool) -> None:
    body = b'{"id": 7}'.ljust(size)

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 60_000):
            yield body[at : at + 60_000]

    headers = {"X-Haravan-Topic": "customers/update", "X-Haravan-Org-Id": ORG, "X-Haravan-HmacSha256": signature(body)}  # fmt: skip
    answer = await sender.client.post(PATH, content=chunks() if chunked else body, headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        pytest.param("hub.mode=subscribe&hub.verify_token=a-verify-token&hub.challenge=abc%20123", 200, "abc 123", id="ours"),
        pytest.param("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=abc", 401, "wrong verify token", id="wrong token"),
        pytest.param("hub.mode=subscribe&hub.challenge=abc", 401, "wrong verify token", id="no token"),
        pytest.param("hub.mode=unsubscribe&hub.verify_token=a-verify-token&hub.challenge=abc", 401, "wrong verify token", id="another mode"),
        pytest.param("hub.mode=subscribe&hub.verify_token=%FF&hub.challenge=abc", 401, "wrong verify token", id="odd bytes"),
        pytest.param("", 401, "wrong verify token", id="nothing"),
    ],
)  # fmt: skip
async def test_the_handshake(client: httpx2.AsyncClient, query: str, status: int, text: str) -> None:
    answer = await client.get(f"{PATH}?{query}")

    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers["content-type"].startswith("text/plain")


async def test_without_a_verify_token_every_handshake_is_refused(
    shops: ShopRepository, settings: Settings
) -> None:
    async with app_client(replace(settings, verify_token="")) as client:
        answer = await client.get(f"{PATH}?hub.mode=subscribe&hub.verify_token=&hub.challenge=abc")

    assert answer.status_code == 401


async def test_without_any_secret_the_endpoint_is_closed(
    redis: RedisClient, shops: ShopRepository, settings: Settings
) -> None:
    async with app_client(replace(settings, webhook_secrets=())) as client:
        sender = Sender(client)
        closed = await sender.deliver(CUSTOMER, org=OTHER_ORG, secret="")
        own = await sender.deliver(CUSTOMER, org=ORG, secret=OWN_SECRET)

    assert (closed.status_code, own.status_code) == (401, 200)
    assert await redis.exists(keys.shop(OTHER_ORG, "alert_sent:webhook_secret_missing"))


async def test_another_method_gets_the_list_of_allowed_ones(client: httpx2.AsyncClient) -> None:
    answer = await client.put(PATH)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_customers_last_deliveries_are_found_newest_first(redis: RedisClient, sender: Sender) -> None:
    for name in ("a", "b", "c"):
        await sender.deliver(json.dumps({"id": 7, "first_name": name}).encode())
    await sender.deliver(b'{"id": 8}')

    found = await list_for_customer(redis, ORG, CustomerId(7))

    assert [each.id for each in found] == [each.id for each in reversed((await recorded(redis))[:3])]
