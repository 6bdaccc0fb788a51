"""A store at its memory limit: one shop floods it, the others go on, and removing the shop frees it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from service.context import Context
from service.operations import pause_shop, remove_shop
from service.settings import read_settings
from service.store.client import RedisClient
from service.store.client.connection import connect
from service.store.rules import Versions
from service.store.shops import ShopRepository
from tests.support.actors import LAN
from tests.support.sender import PATH
from tests.support.shop import APP_SECRET, ORG, OTHER_ORG, OWN_SECRET, add_shops, web_environ
from tests.support.valkey import valkey
from tests.support.wait import wait_until
from tests.support.web_server import serving

MEBIBYTE: Final = 1024 * 1024
SIZE: Final = 24 * MEBIBYTE
ROOM: Final = 2 * MEBIBYTE  # for webhooks, until the store counts as full
SENDERS: Final = 32
numbers = count(1)


@dataclass(slots=True)
class FullStore:
    """A web process before a small store. The first shop has its own secret."""

    redis: Any
    shops: ShopRepository
    session: aiohttp.ClientSession
    url: str

    async def deliver(self, *, org: str = OTHER_ORG, secret: str = APP_SECRET) -> int:
        """The status of a new webhook for a new customer."""
        body = b'{"id":%d}' % next(numbers)
        digest = hmac.digest(secret.encode(), body, hashlib.sha256)
        headers = {
            "X-Haravan-Topic": "customers/update",
            "X-Haravan-Org-Id": org,
            "X-Haravan-HmacSha256": b64encode(digest).decode(),
        }
        async with self.session.post(f"{self.url}{PATH}", data=body, headers=headers) as answer:
            return answer.status

    async def flood(self, *, until_refused: int) -> Counter[int]:
        """Send webhooks of the first shop until this many were refused."""
        statuses: Counter[int] = Counter()

        async def send() -> None:
            while statuses[503] < until_refused:
                statuses[await self.deliver(org=ORG, secret=OWN_SECRET)] += 1

        await asyncio.gather(*(send() for _ in range(SENDERS)))
        return statuses

    async def used(self) -> float:
        """The share of maxmemory that is in use."""
        info = await self.redis.info("memory")
        return float((info["used_memory"] - info["mem_not_counted_for_evict"]) / info["maxmemory"])

    async def accepts(self) -> bool:
        """Whether a webhook of another shop is acknowledged."""
        return await self.deliver() == 200


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[tuple[RedisClient, str]]:
    """A small store."""
    with valkey(tmp_path, fsync="everysec") as url:
        client: Any = connect(url, timeout_s=60)
        info = await client.info("memory")
        await client.setrange("filler", int(0.9 * SIZE - info["used_memory"] - ROOM), "x")
        await client.config_set("maxmemory", str(SIZE))
        yield client, url
        await client.aclose()


async def _run(own_redis: tuple[RedisClient, str], **environ: str) -> AsyncIterator[FullStore]:
    redis, url = own_redis
    shops = await add_shops(redis)
    async with (
        serving(read_settings(web_environ(url) | environ)) as server,
        aiohttp.ClientSession() as session,
    ):
        yield FullStore(redis, shops, session, f"http://127.0.0.1:{server.port}")


@pytest.fixture
async def with_quota(own_redis: tuple[RedisClient, str]) -> AsyncIterator[FullStore]:
    async for store in _run(own_redis, SHOP_MAX_WAITING="500"):
        yield store


@pytest.fixture
async def without_quota(own_redis: tuple[RedisClient, str]) -> AsyncIterator[FullStore]:
    async for store in _run(own_redis):
        yield store


async def test_a_shop_over_its_quota_is_refused_and_the_others_are_not(with_quota: FullStore) -> None:
    flood = await with_quota.flood(until_refused=200)

    assert 500 <= flood[200] < 700
    assert {await with_quota.deliver() for _ in range(50)} == {200}
    assert await with_quota.used() < 0.9

    await with_quota.shops.remove(ORG, erase=True)
    assert await with_quota.accepts()


async def test_a_full_store_keeps_room_for_people_and_is_freed_by_removing_the_shop(
    without_quota: FullStore,
) -> None:
    store = without_quota
    await store.flood(until_refused=500)
    full = await store.used()
    assert 0.85 < full < 0.97

    assert not await store.accepts()
    await store.shops.pause(ORG, reason="manual", by="test")
    await store.shops.set_token(OTHER_ORG, "another-token-0123")
    await store.shops.resume(OTHER_ORG)
    await store.shops.remove(ORG, erase=True)

    await wait_until(store.accepts)

    async def is_freed() -> bool:
        return await store.used() < full - 0.03

    await wait_until(is_freed)  # the server frees in the background


async def test_people_can_free_a_store_without_any_memory_left(without_quota: FullStore) -> None:
    store = without_quota
    await store.flood(until_refused=1)
    await store.redis.config_set("maxmemory", "1mb")
    assert not await store.accepts()

    context = Context(store.redis, store.shops, Versions(store.redis))
    await pause_shop(context, OTHER_ORG, reason="manual", by=LAN)
    await remove_shop(context, ORG, erase=True, by=LAN)

    await store.redis.config_set("maxmemory", "1gb")
    await wait_until(store.accepts)
    assert await store.shops.orgs() == (OTHER_ORG,)
    assert await store.shops.is_paused(OTHER_ORG)
