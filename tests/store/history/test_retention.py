"""Retention: entries older than 400 days are removed from the streams and from the indexes by customer."""

from __future__ import annotations

from typing import Any

import msgpack

from service.domain.customers.customer import CustomerId, OrgId
from service.store.client import RedisClient, keys
from service.store.history import drift, ledger
from service.store.history.ledger import LedgerEntry, encode_entry
from service.store.history.retention import PAGE_SIZE, apply_retention

ORG = OrgId("1000000001")
NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
OLD, YOUNG = NOW_MS - 400 * DAY_MS - 1, NOW_MS - 400 * DAY_MS
SEVEN = CustomerId(7)


async def write(redis: RedisClient, customer: int, *moments: int) -> None:
    """Entries of those moments, as settle.lua writes them."""
    client: Any = redis
    for at in moments:
        entry = encode_entry(LedgerEntry("+", f"Nhãn {at}", "vip", 1, "delivery"))
        await client.xadd(keys.shop(ORG, "ledger"), {"customer": customer, "entry": entry}, id=f"{at}-0")
    ids = ",".join(f"{at}-0" for at in moments)
    await client.hset(keys.shop(ORG, "ledger_by_customer"), str(customer), ids)


async def touch(redis: RedisClient, customer: int, **tags: int) -> None:
    client: Any = redis
    await client.hset(keys.shop(ORG, "drift_by_customer"), str(customer), msgpack.packb(tags))


async def test_entries_older_than_400_days_go_and_younger_ones_stay(redis: RedisClient) -> None:
    await write(redis, 7, OLD, YOUNG, NOW_MS)

    await apply_retention(redis, ORG, now_ms=NOW_MS)

    left = await ledger.list_for_customer(redis, ORG, SEVEN)
    assert [one.at_ms for one in left] == [NOW_MS, YOUNG]
    assert [one.at_ms async for one in ledger.iterate(redis, ORG)] == [YOUNG, NOW_MS]
    assert await redis.hget(keys.shop(ORG, "ledger_by_customer"), "7") == f"{YOUNG}-0,{NOW_MS}-0".encode()


async def test_manual_changes_of_the_last_400_days_stay(redis: RedisClient) -> None:
    await touch(redis, 7, VIP=-OLD, Sỉ=YOUNG)

    await apply_retention(redis, ORG, now_ms=NOW_MS)

    found = await drift.manual_changes_of_customer(redis, ORG, SEVEN)
    assert [(one.tag, one.added, one.at_ms) for one in found.values()] == [("Sỉ", True, YOUNG)]


async def test_a_customer_with_only_old_entries_leaves_no_keys(redis: RedisClient) -> None:
    await write(redis, 7, OLD)
    await touch(redis, 7, VIP=OLD)

    await apply_retention(redis, ORG, now_ms=NOW_MS)

    assert not await redis.exists(keys.shop(ORG, "ledger_by_customer"), keys.shop(ORG, "drift_by_customer"))
    assert await redis.xlen(keys.shop(ORG, "ledger")) == 0


async def test_a_large_shop_is_trimmed_page_by_page(redis: RedisClient) -> None:
    client: Any = redis
    many = {str(number): f"{OLD}-0" for number in range(3 * PAGE_SIZE)}
    await client.hset(keys.shop(ORG, "ledger_by_customer"), mapping=many)

    await apply_retention(redis, ORG, now_ms=NOW_MS)
    left = await client.hlen(keys.shop(ORG, "ledger_by_customer"))
    for _ in range(6):
        await apply_retention(redis, ORG, now_ms=NOW_MS)

    assert 0 < left <= 2 * PAGE_SIZE
    assert await client.hlen(keys.shop(ORG, "ledger_by_customer")) == 0


async def test_a_shop_without_history_is_trimmed_without_an_error(redis: RedisClient) -> None:
    await apply_retention(redis, ORG, now_ms=NOW_MS)

    assert await ledger.list_for_customer(redis, ORG, SEVEN) == []
