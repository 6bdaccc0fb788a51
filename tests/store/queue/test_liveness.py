"""The lease of a process that died is free at once; that of a process that lives, or cannot be seen, is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from service.domain.customers.customer import OrgId
from service.runtime.tasks import cancel_and_wait
from service.store.client import RedisClient, keys, load_script
from service.store.client.connection import connect
from service.store.queue.lease import LeaseManager
from service.store.queue.liveness import Liveness
from service.store.queue.rate_limiter import RateLimiter
from tests.support.valkey import ValkeyServer
from tests.support.wait import wait_until

ORG = OrgId("1000000001")


@asynccontextmanager
async def process(redis: RedisClient) -> AsyncIterator[LeaseManager]:
    """A process until the end of the block, where its connection breaks and the server notices it."""
    liveness = Liveness(redis)
    subscription = asyncio.create_task(liveness.announce())
    await liveness.wait_until_announced()
    yield LeaseManager(redis, rate_limiter=RateLimiter(redis), process_channel=liveness.channel)
    await cancel_and_wait(subscription)
    await wait_until(lambda: has_no_subscriber(redis, liveness.channel))


async def has_subscriber(redis: RedisClient, channel: str) -> bool:
    return not await has_no_subscriber(redis, channel)


async def has_no_subscriber(redis: RedisClient, channel: str) -> bool:
    _, number = await redis.execute_command("PUBSUB", "NUMSUB", channel)
    return bool(number == 0)


def unseen(redis: RedisClient) -> LeaseManager:
    """A process that is not subscribed."""
    return LeaseManager(redis, rate_limiter=RateLimiter(redis), process_channel="tagger:process:unseen")


async def is_free(redis: RedisClient) -> bool:
    return await unseen(redis).acquire(ORG, token="another") is not None


async def test_a_lease_ends_with_its_process(redis: RedisClient) -> None:
    async with process(redis) as leases:
        assert await leases.acquire(ORG, token="first") is not None
        assert not await is_free(redis)

    assert await is_free(redis)


async def test_the_sweep_wakes_the_shop_of_a_process_that_died(redis: RedisClient) -> None:
    wake_due = load_script("queue", "wake_due")
    async with process(redis) as leases:
        assert await leases.acquire(ORG, token="first") is not None
        assert await wake_due(redis, ORG, 0) == [0, 0]

    assert await wake_due(redis, ORG, 0) == [1, 1]


async def test_a_process_that_is_not_subscribed_holds_its_lease_until_it_expires(redis: RedisClient) -> None:
    assert await unseen(redis).acquire(ORG, token="first") is not None

    assert not await is_free(redis)


async def test_an_earlier_holder_says_nothing_of_the_present_one(redis: RedisClient) -> None:
    async with process(redis) as leases:
        assert await leases.acquire(ORG, token="first") is not None
        await redis.delete(keys.shop(ORG, "lease"))  # it expired
        assert await unseen(redis).acquire(ORG, token="second") is not None

    assert not await is_free(redis)


async def test_a_user_without_the_permission_to_subscribe_gets_leases_that_expire(
    redis: RedisClient, redis_url: str
) -> None:
    for server in await redis.servers():
        await server.acl_setuser(
            "silent",
            enabled=True,
            nopass=True,
            keys=["*"],
            categories=["+@all"],
            commands=["-pubsub", "-subscribe"],
        )
    silent = connect(redis_url.replace("://", "://silent:none@"))
    liveness = Liveness(silent)
    leases = LeaseManager(silent, rate_limiter=RateLimiter(silent), process_channel=liveness.channel)

    await liveness.announce()

    assert await leases.acquire(ORG, token="first") is not None
    assert await leases.acquire(ORG, token="second") is None
    await silent.aclose()
    for server in await redis.servers():
        await server.acl_deluser("silent")


async def test_a_server_that_is_away_is_not_asked_again_without_a_pause(
    redis: RedisClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.queue.liveness.SERVERS_INTERVAL_S", 60.0)
    second = ValkeyServer(tmp_path)
    second.start()
    looks = 0

    class TwoServers:
        async def servers(self) -> list[Any]:
            nonlocal looks
            looks += 1
            return [*await redis.servers(), *await other.servers()]

    async with connect(second.url) as other:
        liveness = Liveness(cast("Any", TwoServers()))
        subscription = asyncio.create_task(liveness.announce())
        await wait_until(lambda: has_subscriber(redis, liveness.channel))
        await wait_until(lambda: has_subscriber(other, liveness.channel))

        second.kill()
        for _ in range(200):
            await redis.ping()

        assert looks == 1
        assert not subscription.done()
        await cancel_and_wait(subscription)
