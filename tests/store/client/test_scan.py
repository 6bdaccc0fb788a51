"""No command covers all customers of a large shop, because webhooks would wait for it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from service.context import Context
from service.domain.customers.customer import CustomerId, OrgId
from service.operations.replay import Selection, count_replay, start_replay
from service.store.client import RedisClient, keys
from service.store.client.clock import handle_clock_step_back
from service.store.client.scan import BATCH_SIZE
from service.store.encryption.keyring import KeyRing
from service.store.jobs import replays, runs
from service.store.queue import dead_letters, dirty
from service.store.rules import Versions
from service.store.shops.repository import ShopRepository
from tests.support.actors import LAN
from tests.support.shop import add_shops

ORG: Final = OrgId("1000000001")
MANY: Final = 2_500
EVERYBODY: Final = [CustomerId(each) for each in range(1, MANY + 1)]
WHOLE: Final = {"hkeys", "hvals", "hgetall", "smembers"}  # commands that ask for all there is
MAX_ARGUMENTS: Final = BATCH_SIZE + 10  # arguments


@asynccontextmanager
async def in_batches(redis: RedisClient) -> AsyncIterator[None]:
    """Fails where a command was given too much, or asked for a whole large key."""
    client: Any = redis
    await client.config_set("slowlog-log-slower-than", 0)
    await client.config_set("slowlog-max-len", 100_000)
    await client.slowlog_reset()
    yield
    said = [entry["command"].decode(errors="replace") for entry in await client.slowlog_get(100_000)]
    await client.config_set("slowlog-log-slower-than", 10_000)
    given = {
        one: int(more[1]) for one in said if (more := re.search(r"\.\.\. \((\d+) more arguments\)", one))
    }
    assert not {one[:60]: more for one, more in given.items() if more > MAX_ARGUMENTS}
    assert not [
        one
        for one in said
        if one.split()[0].lower() in WHOLE
        and not one.endswith((":shop", ":data_keys"))
        and ":run:" not in one
    ]


async def replay_everybody(redis: RedisClient) -> None:
    heard: list[int] = []
    context = Context(redis, ShopRepository(redis, KeyRing(["0123456789abcdef" * 2])), Versions(redis))
    counted = await count_replay(context, ORG, Selection(everybody=True), by=LAN, on_found=heard.append)
    await start_replay(context, ORG, counted.id, by=LAN)
    assert (counted.total, counted.waiting) == (MANY, MANY)
    assert len(heard) > 1
    marked = 0
    while batch := await replays.mark_next(redis, ORG, counted.id, MANY):
        marked += batch
        await redis.delete(keys.shop(ORG, f"run:{counted.id}:remaining"))  # a drain has settled them

    assert marked == MANY
    assert len(await dirty.marked_among(redis, ORG, EVERYBODY)) == MANY


async def mark_in_one_go(redis: RedisClient) -> None:
    run = await runs.create(redis, ORG, kind="audit", by="night", reason="audit", now_ms=1)
    await runs.mark(redis, ORG, run, EVERYBODY, kind="audit")
    assert len(await dirty.marked_among(redis, ORG, EVERYBODY)) == MANY

    await runs.end(redis, ORG, run, reason="superseded")

    assert (await runs.get(redis, ORG, run)).total == MANY


async def retry_all_letters(redis: RedisClient) -> None:
    letters = await dead_letters.list_open(redis, ORG)
    await dead_letters.retry(redis, ORG, [each.customer for each in letters])

    assert len(letters) == MANY
    assert await redis.zcard(keys.shop(ORG, "ready:bulk")) == MANY


@pytest.mark.parametrize("work", [replay_everybody, mark_in_one_go, retry_all_letters])
async def test_all_customers_of_a_large_shop_are_reached_in_batches(
    redis: RedisClient, work: Callable[[RedisClient], Awaitable[None]]
) -> None:
    client: Any = redis
    letter = json.dumps({"rejected": {"text": "422", "first": 1, "last": 1, "count": 1, "transient": False}})
    await client.hset(keys.shop(ORG, "snapshots"), mapping={str(each): b"\x80" for each in EVERYBODY})
    await client.hset(keys.shop(ORG, "dead_letters"), mapping={str(each): letter for each in EVERYBODY})
    await client.hset(keys.shop(ORG, "reverts"), mapping={str(each): b"\x80" for each in EVERYBODY})

    await add_shops(redis)
    async with in_batches(redis):
        await work(redis)


async def test_after_a_step_back_of_the_clock_no_customer_of_a_large_shop_waits(redis: RedisClient) -> None:
    later, now = keys.shop(ORG, "delayed"), 10**12
    await redis.zadd(later, {str(each): now + 3_600_000 for each in EVERYBODY})
    await redis.set(keys.partition_key(ORG, "last_server_time"), now + 3_600_000)

    async def now_ms() -> int:
        return now

    async def orgs() -> list[OrgId]:
        return [ORG]

    await handle_clock_step_back(redis, now_ms=now_ms, orgs=orgs)

    assert await redis.zcount(later, now, now) == MANY
