"""Group commit: who is answered when, and what happens when Redis is slow, forgetful or away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from arq.connections import ArqRedis

from deploy.local.wait import until
from service.domain.customers.customer import OrgId
from service.errors import StoreUnavailable
from service.ingest.batch import Flush
from service.ingest.group_commit import DEADLINE_S, MIN_BATCH, GroupCommit, QueueFull
from service.store.client import keys
from service.store.client.connection import connect
from service.store.history.deliveries import list_deliveries
from service.store.queue.dirty import MAX_EVENTS, DirtyEvent
from service.web.webhooks.shop_cache import REFRESH_TIMEOUT_S
from tests.support.valkey import ValkeyServer

ORG = OrgId("1000000001")


def event(number: int) -> DirtyEvent:
    """A delivery of its own, for a customer of its own."""
    return DirtyEvent(str(number), identity=number.to_bytes(16), record=b"\x90")


async def recorded(redis: ArqRedis) -> int:
    """How many deliveries are in the shop's record, 1000 at most."""
    return len((await list_deliveries(redis, ORG, limit=1000)).deliveries)


@asynccontextmanager
async def writing(redis: ArqRedis, **options: Any) -> AsyncIterator[GroupCommit]:
    """An ingest that runs around the block; a busy machine must not look like a slow store."""
    ingest = GroupCommit(redis, **{"deadline_s": 60, **options})
    ingest.start()
    try:
        yield ingest
    finally:
        await ingest.stop()


@pytest.fixture
async def own_store(tmp_path: Path) -> AsyncIterator[tuple[ArqRedis, ValkeyServer]]:
    """A Valkey that the test may stop and kill, and its client."""
    server = ValkeyServer(tmp_path)
    server.start()
    client = connect(server.url)
    yield client, server
    await client.aclose()
    server.kill()


async def test_what_arrives_together_is_written_together(redis: ArqRedis) -> None:
    flushes: list[Flush] = []
    async with writing(redis, on_flush=flushes.append) as ingest:
        answers = await asyncio.gather(
            *(ingest.submit(ORG, event(number), topic="t") for number in range(1, MIN_BATCH + 1))
        )

    assert set(answers) == {None}
    assert await recorded(redis) == MIN_BATCH
    assert [len(batch.events) for flush in flushes for batch in flush.batches] == [MIN_BATCH]
    assert flushes[0].batches[0].outcomes == ["marked"] * MIN_BATCH
    assert flushes[0].batches[0].topics == ["t"] * MIN_BATCH


async def test_of_many_half_is_written_while_the_other_half_waits(redis: ArqRedis) -> None:
    flushes: list[Flush] = []
    async with writing(redis, on_flush=flushes.append) as ingest:
        await asyncio.gather(*(ingest.submit(ORG, event(number)) for number in range(1, 33)))
        await asyncio.gather(*(ingest.submit(ORG, event(number)) for number in range(1, 101)))

    sizes = [sum(len(batch.events) for batch in flush.batches) for flush in flushes]
    assert sizes == [16, 16, 32, 32, 36]


async def test_nobody_is_answered_before_the_write(redis: ArqRedis) -> None:
    ingest = GroupCommit(redis)
    waiting = ingest.submit(ORG, event(1))

    assert not waiting.done()

    ingest.start()
    assert await waiting is None
    assert await redis.exists(keys.shop(ORG, "mark:1"))
    await ingest.stop()


async def test_shops_share_a_round_trip_and_each_keeps_its_own(redis: ArqRedis) -> None:
    flushes: list[Flush] = []
    orgs = [OrgId(str(number)) for number in range(1, MIN_BATCH + 1)]
    async with writing(redis, on_flush=flushes.append) as ingest:
        await asyncio.gather(*(ingest.submit(org, event(int(org))) for org in orgs))

    assert [len(flush.batches) for flush in flushes] == [MIN_BATCH]
    for org in orgs:
        assert await redis.zrange(keys.shop(org, "ready:live"), 0, -1) == [org.encode()]


async def test_a_batch_never_outgrows_one_script_call(redis: ArqRedis) -> None:
    flushes: list[Flush] = []
    async with writing(redis, on_flush=flushes.append) as ingest:
        await asyncio.gather(*(ingest.submit(ORG, event(number)) for number in range(1, 1001)))

    sizes = [len(batch.events) for flush in flushes for batch in flush.batches]
    assert max(sizes) == MAX_EVENTS
    assert sum(sizes) == await recorded(redis) == 1000
    assert [int(each) for each in await redis.zrange(keys.shop(ORG, "ready:live"), 0, -1)] == list(
        range(1, 1001)
    )


async def test_beyond_its_bound_it_takes_no_more(redis: ArqRedis) -> None:
    ingest = GroupCommit(redis, max_queued=10)
    for number in range(1, 11):
        ingest.submit(ORG, event(number))

    with pytest.raises(QueueFull):
        ingest.submit(ORG, event(11))

    ingest.start()
    await ingest.stop()
    assert await recorded(redis) == 10


async def test_a_server_that_forgot_its_scripts_is_taught_again(redis: ArqRedis) -> None:
    async with writing(redis) as ingest:
        assert await ingest.submit(ORG, event(1)) is None
        await redis.script_flush()

        assert await ingest.submit(ORG, event(2)) is None

    assert await recorded(redis) == 2


async def test_a_closed_connection_is_replaced_without_anybody_noticing(redis: ArqRedis) -> None:
    async with writing(redis) as ingest:
        await ingest.submit(ORG, event(1))
        await redis.client_kill_filter(_type="normal", skipme=True)

        assert await ingest.submit(ORG, event(2)) is None


async def test_one_shops_failure_is_not_the_others(redis: ArqRedis) -> None:
    await redis.set(keys.shop(ORG, "deliveries"), "not a stream")
    other = OrgId("2")
    async with writing(redis) as ingest:
        bad, good = ingest.submit(ORG, event(1)), ingest.submit(other, event(2))

        assert isinstance(await bad, StoreUnavailable)
        assert await good is None

    assert await redis.xlen(keys.shop(other, "deliveries")) == 1


async def test_one_who_gives_up_does_not_take_the_others_along(redis: ArqRedis) -> None:
    ingest = GroupCommit(redis)
    impatient = asyncio.create_task(_wait(ingest, 1))
    patient = asyncio.create_task(_wait(ingest, 2))
    await asyncio.sleep(0)
    impatient.cancel()
    ingest.start()

    assert await patient is None
    with pytest.raises(asyncio.CancelledError):
        await impatient
    await ingest.stop()


async def _wait(ingest: GroupCommit, number: int) -> StoreUnavailable | None:
    return await ingest.submit(ORG, event(number))


async def _written(ingest: GroupCommit, number: int) -> bool:
    """Come again until it is taken, as Haravan does."""

    async def taken() -> bool:
        return await ingest.submit(ORG, event(number)) is None

    return await until(taken, within_s=60)


async def test_stopping_writes_what_waits(redis: ArqRedis) -> None:
    ingest = GroupCommit(redis)
    ingest.start()
    waiting = [ingest.submit(ORG, event(number)) for number in range(1, 301)]

    await ingest.stop()

    assert {await each for each in waiting} == {None}
    assert await recorded(redis) == 300


def test_the_answer_is_there_before_haravan_gives_up() -> None:
    haravan_waits_s, on_the_way_s = 5.0, 1.0

    assert DEADLINE_S + REFRESH_TIMEOUT_S + on_the_way_s < haravan_waits_s


async def test_a_server_that_hangs_is_not_waited_for(
    own_store: tuple[ArqRedis, ValkeyServer],
) -> None:
    redis, server = own_store
    flushes: list[Flush] = []
    async with writing(redis, deadline_s=0.2, on_flush=flushes.append) as ingest:
        await ingest.submit(ORG, event(1))
        server.send_signal(signal.SIGSTOP)
        failure = await ingest.submit(ORG, event(2))
        assert isinstance(failure, StoreUnavailable)
        assert flushes[-1].error is failure
        server.send_signal(signal.SIGCONT)
        assert await _written(ingest, 3)


async def test_a_server_that_died_is_found_again(
    own_store: tuple[ArqRedis, ValkeyServer],
) -> None:
    redis, server = own_store
    async with writing(redis) as ingest:
        await ingest.submit(ORG, event(1))
        server.kill()
        assert isinstance(await ingest.submit(ORG, event(2)), StoreUnavailable)

        server.start()
        assert await _written(ingest, 3)
