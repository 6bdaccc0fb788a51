"""A webhook arrives, a tag is written, and the receiver of the shop's events is told: all over real sockets and arq."""

from __future__ import annotations

import asyncio

import pytest

from service.context import Context
from service.domain.access import shell_user
from service.operations import endpoints, pause_shop
from service.store.client import RedisClient
from tests.support.receiver import Receiver, receiving
from tests.support.shop import ORG
from tests.support.wait import wait_until
from tests.system.environment import System, running

pytestmark = pytest.mark.timeout(600)

BY = shell_user("an")
NETWORKS = {"EVENT_NETWORKS": "127.0.0.0/8"}


async def add(system: System, receiver: Receiver) -> None:
    context = Context(system.redis, system.shops, system.versions, settings=system.settings)
    await endpoints.add_endpoint(context, await system.shops.get_or_raise(ORG), receiver.url, by=BY)


async def test_a_receiver_is_told_of_tags_and_of_a_pause(
    redis: RedisClient, redis_url: str, queue_url: str
) -> None:
    async with receiving() as receiver, running(redis, redis_url, queue_url, environ=NETWORKS) as system:
        await add(system, receiver)
        customers = [system.haravan.create(total_spent=20_000_000) for _ in range(12)]
        await system.settled()
        context = Context(system.redis, system.shops, system.versions, settings=system.settings)
        await pause_shop(context, ORG, reason="test", by=BY)

        async def is_told() -> bool:
            return len(receiver.received) >= 25  # VIP and the tier of each, and the pause

        await wait_until(is_told)

    told = [(each["data"].get("customer_id"), each["data"].get("tag")) for each in receiver.events[:-1]]
    assert sorted(told) == sorted((customer, tag) for customer in customers for tag in ("VIP", "Bạc"))
    assert receiver.events[-1]["type"] == "shop.paused"


async def test_a_receiver_that_never_answers_delays_no_tag(
    redis: RedisClient, redis_url: str, queue_url: str
) -> None:
    connected = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    silent = Receiver(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
    async with receiving() as receiver, running(redis, redis_url, queue_url, environ=NETWORKS) as system:
        for _ in range(4):
            await add(system, silent)
        await add(system, receiver)
        first = system.haravan.create(total_spent=20_000_000)
        await connected.wait()
        second = system.haravan.create(total_spent=20_000_000)
        await system.settled()

        async def is_told() -> bool:
            return len(receiver.received) >= 4

        await wait_until(is_told)
        assert system.tags() == {first: {"VIP", "Bạc"}, second: {"VIP", "Bạc"}}
    server.close()
