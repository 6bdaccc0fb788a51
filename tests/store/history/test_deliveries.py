"""The record of deliveries: found by customer and by time, and bounded where it must be."""

from __future__ import annotations

import hashlib

import pytest

from service.domain.customers.customer import CustomerId, OrgId
from service.domain.sync.webhooks import DeliveryRecord, encode_delivery
from service.store.client import RedisClient, keys
from service.store.history.deliveries import (
    UNKNOWN_SHOP,
    DeliveryFilter,
    Matches,
    find_matches,
    list_deliveries,
    list_for_customer,
    trim,
    trim_unknown_shop,
)
from service.store.queue.dirty import DirtyEvent, mark_dirty

ORG = OrgId("1000000001")


async def deliver(redis: RedisClient, customer: int, topic: str = "customers/update") -> None:
    """Record one delivery."""
    body = f"{customer}{topic}".encode()
    digest = hashlib.sha256(body).digest()
    blob = encode_delivery(DeliveryRecord(topic, digest, len(body)))
    await mark_dirty(redis, ORG, [DirtyEvent(str(customer), identity=digest[:16], record=blob)], lane="live")


async def test_pages_follow_one_another_without_gap_or_overlap(redis: RedisClient) -> None:
    for customer in range(1, 26):
        await deliver(redis, customer)

    seen: list[int | None] = []
    before: str | None = None
    while True:
        page = await list_deliveries(redis, ORG, before=before, limit=10)
        seen += [each.customer for each in page.deliveries]
        before = page.before
        if before is None:
            break

    assert seen == list(range(25, 0, -1))


@pytest.mark.parametrize("limit", [1, 3, 7, 40])
async def test_pages_go_through_records_of_many_deliveries(redis: RedisClient, limit: int) -> None:
    number = 0
    made: list[str] = []
    for size in (1, 5, 2, 20, 3):
        events = [
            DirtyEvent(str(number + each + 1), identity=(number + each).to_bytes(16)) for each in range(size)
        ]
        made += [each.delivery for each in await mark_dirty(redis, ORG, events, lane="live")]
        number += size

    seen: list[str] = []
    before: str | None = None
    for _ in range(50):
        page = await list_deliveries(redis, ORG, before=before, limit=limit)
        assert len(page.deliveries) <= limit
        seen += [each.id for each in page.deliveries]
        before = page.before
        if before is None:
            break

    assert seen == made[::-1]


async def test_a_record_that_cannot_be_read_hides_no_other(redis: RedisClient) -> None:
    await deliver(redis, 7)
    for fields in (
        {"events": b"\xc1"},
        {"events": b"\x90", "outcomes": ""},
        {"events": b"\x91\x90", "outcomes": "x"},
    ):
        await redis.xadd(keys.shop(ORG, "deliveries"), fields)

    page = await list_deliveries(redis, ORG, limit=1)

    assert [each.customer for each in page.deliveries] == [7]
    assert (await find_matches(redis, ORG, DeliveryFilter())).customers == (7,)


async def test_a_plain_mark_in_a_batch_is_no_delivery(redis: RedisClient) -> None:
    events = [DirtyEvent("1", cause="replay:R1"), DirtyEvent("2", identity=b"2" * 16)]

    made = await mark_dirty(redis, ORG, events, lane="live")

    assert [bool(each.delivery) for each in made] == [False, True]
    assert [each.customer for each in (await list_deliveries(redis, ORG)).deliveries] == [2]


async def test_a_span_of_time_includes_both_ends(redis: RedisClient) -> None:
    await deliver(redis, 7)
    [only] = (await list_deliveries(redis, ORG)).deliveries

    at = await list_deliveries(redis, ORG, DeliveryFilter(only.at_ms, only.at_ms))
    after = await list_deliveries(redis, ORG, DeliveryFilter(only.at_ms + 1))

    assert (len(at.deliveries), len(after.deliveries)) == (1, 0)
    assert len(await list_for_customer(redis, ORG, CustomerId(7), DeliveryFilter(only.at_ms))) == 1
    assert len(await list_for_customer(redis, ORG, CustomerId(7), DeliveryFilter(only.at_ms + 1))) == 0


async def test_named_customers_are_listed_once_and_by_topic(redis: RedisClient) -> None:
    for customer in (7, 8, 7):
        await deliver(redis, customer)
    await deliver(redis, 9, "orders/create")

    assert await find_matches(redis, ORG, DeliveryFilter()) == Matches(
        3, (CustomerId(7), CustomerId(8), CustomerId(9))
    )
    assert await find_matches(redis, ORG, DeliveryFilter(topics=("orders/create",))) == Matches(
        1, (CustomerId(9),)
    )


async def test_the_retention_drops_old_deliveries_and_their_count(redis: RedisClient) -> None:
    await deliver(redis, 7)
    [only] = (await list_deliveries(redis, ORG)).deliveries
    day = only.at_ms // 86_400_000
    await redis.hset(keys.shop(ORG, "delivery_counts"), mapping={"total": 1, str(day): 1})

    await trim(redis, ORG, oldest_ms=only.at_ms)
    assert len((await list_deliveries(redis, ORG)).deliveries) == 1
    await trim(redis, ORG, oldest_ms=(day + 1) * 86_400_000)

    assert (await list_deliveries(redis, ORG)).deliveries == ()
    assert await redis.hgetall(keys.shop(ORG, "delivery_counts")) == {b"total": b"0"}


async def test_a_trimmed_delivery_is_not_listed(redis: RedisClient) -> None:
    await deliver(redis, 7)
    await redis.xtrim(keys.shop(ORG, "deliveries"), maxlen=0)

    assert await list_for_customer(redis, ORG, CustomerId(7)) == ()


async def test_a_delivery_with_a_malformed_record_is_listed_without_its_topic(redis: RedisClient) -> None:
    await mark_dirty(redis, ORG, [DirtyEvent("7", identity=b"1" * 16, record=b"\xff")], lane="live")

    [delivery] = (await list_deliveries(redis, ORG)).deliveries

    assert (delivery.customer, delivery.outcome, delivery.topic) == (7, "marked", "")


async def test_deliveries_of_unknown_shops_are_bounded(redis: RedisClient) -> None:
    stream = keys.shop(UNKNOWN_SHOP, "deliveries")
    async with redis.pipeline(transaction=False) as pipe:
        for _ in range(2_500):
            pipe.xadd(stream, {"events": b"\x90", "outcomes": ""})
        await pipe.execute()

    await trim_unknown_shop(redis)

    assert 2_000 <= await redis.xlen(stream) <= 2_200
