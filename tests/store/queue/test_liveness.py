"""The lease of a process that died is free at once; that of a process that lives, or cannot be seen, is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from service.domain.customers.customer import OrgId
from service.runtime.tasks import cancel_and_wait
from service.store.client import RedisClient, keys, load_script
from service.store.client.connection import connect
from service.store.queue import liveness as module
from service.store.queue.lease import LeaseManager
from service.store.queue.liveness import Liveness
from service.store.queue.rate_limiter import RateLimiter
from tests.support.scripted_server import ScriptedServer, bulk, scripted_server
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


@pytest.mark.one_server  # each server has users of its own
async def test_a_user_without_the_permission_to_subscribe_gets_leases_that_expire(
    redis: RedisClient, redis_url: str
) -> None:
    await redis.acl_setuser(
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


SUBSCRIBED = b"*3\r\n+subscribe\r\n+channel\r\n:1\r\n"
TURNS = 200  # of the event loop


@asynccontextmanager
async def announced(
    *, away: int, reply: bytes | None
) -> AsyncIterator[tuple[list[ScriptedServer], list[int], Any]]:
    """A process and a cluster of three. One server answers SUBSCRIBE otherwise. Gives servers, owners of slots, its task."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(scripted_server()) for _ in range(3)]
        owners = [0, 1, 2]

        def answer(words: list[bytes]) -> bytes:
            if words[0] != b"CLUSTER":
                return SUBSCRIBED if words[0] == b"SUBSCRIBE" else b"+OK\r\n"
            first = {owner: f"{index * 100}-{index * 100 + 99}" for index, owner in enumerate(owners)}
            return bulk(
                "\n".join(
                    f"{number} 127.0.0.1:{each.port}@1 master - 0 1 {number} connected {first.get(number, '')}".strip()
                    for number, each in enumerate(servers)
                )
            )

        for each in servers:
            each.answer = answer
        servers[away].answer = lambda words: reply if words[0] == b"SUBSCRIBE" else answer(words)
        store = await stack.enter_async_context(connect(f"redis+cluster://127.0.0.1:{servers[0].port}"))
        liveness = Liveness(store)
        announcing = asyncio.create_task(liveness.announce())
        stack.push_async_callback(cancel_and_wait, announcing)
        await liveness.wait_until_announced()
        yield servers, owners, announcing


def attempts(server: ScriptedServer) -> int:
    return sum(words[0] == b"SUBSCRIBE" for words in server.asked)


async def test_a_server_that_is_away_is_not_asked_without_a_pause(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "REPEAT_S", 3_600)
    async with announced(away=1, reply=None) as (servers, _, _):
        await wait_until(lambda: _is(attempts(servers[1]) > 0))
        for _ in range(TURNS):
            await asyncio.sleep(0.001)

        assert attempts(servers[1]) == 1


async def test_a_server_that_owns_nothing_any_more_is_left(monkeypatch: Any) -> None:
    """The subscription that its end broke must not be waited for again and again."""
    async with announced(away=1, reply=SUBSCRIBED) as (servers, owners, announcing):
        await wait_until(lambda: _is(attempts(servers[1]) > 0))
        owners.remove(1)
        await wait_until(lambda: _is(not servers[1].writers))
        waits = 0
        real = asyncio.wait

        async def counted(*args: Any, **options: Any) -> Any:
            nonlocal waits
            waits += asyncio.current_task() is announcing
            return await real(*args, **options)

        monkeypatch.setattr(asyncio, "wait", counted)
        for _ in range(TURNS):
            await asyncio.sleep(0)

        assert waits < TURNS // 10


async def test_a_server_that_refuses_does_not_end_the_other_subscriptions() -> None:
    """To their servers the process would look dead, and its leases would be free."""
    refusal = b"-NOPERM no permissions to run the 'subscribe' command\r\n"
    async with announced(away=2, reply=refusal) as (servers, _, announcing):
        await wait_until(lambda: _is(attempts(servers[2]) > 2))

        assert (attempts(servers[0]), attempts(servers[1])) == (1, 1)
        assert not announcing.done()


async def _is(value: object) -> bool:
    return bool(value)
