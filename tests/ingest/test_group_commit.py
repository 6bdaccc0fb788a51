"""Group commit and its writer: when a request is answered, and what happens if Redis is slow, restarted or unreachable."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from deploy.local.wait import until
from service.domain.customers.customer import OrgId
from service.errors import OverQuota, StoreFull, StoreUnavailable
from service.ingest.batch import Flush
from service.ingest.group_commit import DEADLINE_S, MIN_BATCH, GroupCommit, QueueFull
from service.store.client import RedisClient, keys
from service.store.client.connection import connect
from service.store.client.durability import Durability
from service.store.client.monitor import StoreChange, StoreMonitor, StoreUnfit
from service.store.history.deliveries import list_deliveries
from service.store.queue.dirty import MAX_EVENTS, DirtyEvent, Quota
from service.web.webhooks.shop_cache import REFRESH_TIMEOUT_S
from tests.support.scripted_server import array, bulk, scripted_server
from tests.support.valkey import ValkeyServer

ORG = OrgId("1000000001")


def event(number: int) -> DirtyEvent:
    """A delivery of its own, for a customer of its own."""
    return DirtyEvent(str(number), identity=number.to_bytes(16), record=b"\x90")


async def recorded(redis: RedisClient) -> int:
    """How many deliveries are in the shop's record, 1000 at most."""
    return len((await list_deliveries(redis, ORG, limit=1000)).deliveries)


@asynccontextmanager
async def writing(redis: RedisClient, **options: Any) -> AsyncIterator[GroupCommit]:
    """A group commit that runs during the block. Its deadline is long, because a busy machine is slow."""
    commit = GroupCommit(redis, **{"deadline_s": 60, **options})
    commit.start()
    try:
        yield commit
    finally:
        await commit.stop()


@pytest.mark.parametrize(
    ("confirmed", "is_written"),
    [
        pytest.param(b":2\r\n", True, id="two replicas"),
        pytest.param(b":1\r\n", False, id="one of two"),
        pytest.param(b":0\r\n", False, id="none"),
        pytest.param(b"-UNBLOCKED force unblock from blocking operation\r\n", False, id="demoted meanwhile"),
        pytest.param(b"-ERR WAIT cannot be used with replica instances\r\n", False, id="a replica by now"),
        pytest.param(None, False, id="lost before the answer"),
    ],
)
async def test_a_write_is_acknowledged_when_so_many_replicas_have_it(
    confirmed: bytes | None, is_written: bool
) -> None:
    written = array([b":0\r\n", b":1\r\n", b":1\r\n", bulk("1-0"), bulk("marked"), bulk("0")])

    def answer(words: list[bytes]) -> bytes | None:
        replies = {b"EVALSHA": written, b"SCRIPT": bulk("sha"), b"WAIT": confirmed}
        return replies[words[0]]

    async with (
        scripted_server(answer) as server,
        connect(f"redis://127.0.0.1:{server.port}") as client,
        writing(client, replicas=2) as commit,
    ):
        error = await commit.submit(ORG, event(1))

    assert (error is None) is is_written
    assert next(words[1] for words in server.asked if words[0] == b"WAIT") == b"2"


@pytest.fixture
async def own_store(tmp_path: Path) -> AsyncIterator[tuple[RedisClient, ValkeyServer]]:
    """A Valkey that the test may stop and kill, and its client."""
    server = ValkeyServer(tmp_path)
    server.start()
    client = connect(server.url)
    yield client, server
    await client.aclose()
    server.kill()


async def test_what_arrives_together_is_written_together(redis: RedisClient) -> None:
    flushes: list[Flush] = []
    async with writing(redis, on_flush=flushes.append) as commit:
        answers = await asyncio.gather(
            *(commit.submit(ORG, event(number), topic="t") for number in range(1, MIN_BATCH + 1))
        )

    assert set(answers) == {None}
    assert await recorded(redis) == MIN_BATCH
    assert [len(batch.events) for flush in flushes for batch in flush.batches] == [MIN_BATCH]
    assert flushes[0].batches[0].outcomes == ["marked"] * MIN_BATCH
    assert flushes[0].batches[0].topics == ["t"] * MIN_BATCH


async def test_a_flush_takes_half_of_the_queued_events(redis: RedisClient) -> None:
    flushes: list[Flush] = []
    async with writing(redis, on_flush=flushes.append) as commit:
        await asyncio.gather(*(commit.submit(ORG, event(number)) for number in range(1, 33)))
        await asyncio.gather(*(commit.submit(ORG, event(number)) for number in range(1, 101)))

    sizes = [sum(len(batch.events) for batch in flush.batches) for flush in flushes]
    assert sizes == [16, 16, 32, 32, 36]


async def test_nothing_is_written_to_a_server_that_was_not_found_fit(redis: RedisClient) -> None:
    monitor = a_monitor(redis, "fsync")  # the tests' server writes nothing to disk
    async with writing(redis, monitor=monitor) as commit:
        error = await commit.submit(ORG, event(1))

    assert isinstance(error, StoreUnavailable)
    assert await recorded(redis) == 0


async def test_a_server_that_was_swapped_is_checked_before_the_next_acknowledgement(
    own_store: tuple[RedisClient, ValkeyServer],
) -> None:
    redis, server = own_store
    changes: list[StoreChange] = []
    monitor = a_monitor(redis, "everysec", changes)
    async with writing(redis, monitor=monitor) as commit:
        assert await _written(commit, 1)
        server.kill()
        server.start()  # it has no file: an empty server at the same address
        assert await _written(commit, 2)

    assert [change.kind for change in changes] == ["started", "emptied"]


async def test_a_server_that_became_unfit_gets_no_more_writes_over_the_old_connection(
    own_store: tuple[RedisClient, ValkeyServer],
) -> None:
    redis, _ = own_store
    monitor = a_monitor(redis, "everysec")
    async with writing(redis, monitor=monitor) as commit:
        assert await _written(commit, 1)
        await redis.config_set("maxmemory", "1gb")
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        with suppress(StoreUnfit):
            await monitor.check()

        assert isinstance(await commit.submit(ORG, event(2)), StoreUnavailable)
        await redis.config_set("maxmemory-policy", "noeviction")
        assert await _written(commit, 3)


@pytest.mark.one_server
async def test_a_full_store_refuses_webhooks_and_accepts_them_when_it_has_room(redis: RedisClient) -> None:
    monitor = a_monitor(redis, "everysec")
    async with writing(redis, monitor=monitor) as commit:
        await redis.config_set("maxmemory", "1mb")
        try:
            await monitor.check()
            assert isinstance(await commit.submit(ORG, event(1)), StoreFull)
        finally:
            await redis.config_set("maxmemory", "0")
        await monitor.check()
        assert await commit.submit(ORG, event(2)) is None


async def test_only_the_shop_over_its_quota_is_refused(redis: RedisClient) -> None:
    other = OrgId("1000000002")
    async with writing(redis, quota=Quota(customers=1)) as commit:
        assert await commit.submit(ORG, event(1)) is None
        refused, accepted = await asyncio.gather(commit.submit(ORG, event(2)), commit.submit(other, event(3)))

    assert isinstance(refused, OverQuota)
    assert accepted is None


def a_monitor(
    redis: RedisClient, durability: Durability, changes: list[StoreChange] | None = None
) -> StoreMonitor:
    """A monitor that repairs nothing."""

    async def on_change(change: StoreChange) -> None:
        if changes is not None:
            changes.append(change)

    return StoreMonitor(redis, durability, on_change=on_change)


async def test_no_request_is_answered_before_the_write(redis: RedisClient) -> None:
    commit = GroupCommit(redis)
    waiting = commit.submit(ORG, event(1))

    assert not waiting.done()

    commit.start()
    assert await waiting is None
    assert await redis.exists(keys.shop(ORG, "mark:1"))
    await commit.stop()


@pytest.mark.one_server
async def test_the_batches_of_several_shops_share_a_round_trip(redis: RedisClient) -> None:
    flushes: list[Flush] = []
    orgs = [OrgId(str(number)) for number in range(1, MIN_BATCH + 1)]
    async with writing(redis, on_flush=flushes.append) as commit:
        await asyncio.gather(*(commit.submit(org, event(int(org))) for org in orgs))

    assert [len(flush.batches) for flush in flushes] == [MIN_BATCH]
    for org in orgs:
        assert await redis.zrange(keys.shop(org, "ready:live"), 0, -1) == [org.encode()]


async def test_a_batch_never_outgrows_one_script_call(redis: RedisClient) -> None:
    flushes: list[Flush] = []
    async with writing(redis, on_flush=flushes.append) as commit:
        await asyncio.gather(*(commit.submit(ORG, event(number)) for number in range(1, 1001)))

    sizes = [len(batch.events) for flush in flushes for batch in flush.batches]
    assert max(sizes) == MAX_EVENTS
    assert sum(sizes) == await recorded(redis) == 1000
    assert [int(each) for each in await redis.zrange(keys.shop(ORG, "ready:live"), 0, -1)] == list(
        range(1, 1001)
    )


async def test_a_full_queue_refuses_events(redis: RedisClient) -> None:
    commit = GroupCommit(redis, max_queued=10)
    for number in range(1, 11):
        commit.submit(ORG, event(number))

    with pytest.raises(QueueFull):
        commit.submit(ORG, event(11))

    commit.start()
    await commit.stop()
    assert await recorded(redis) == 10


async def test_a_lost_script_is_loaded_again(redis: RedisClient) -> None:
    async with writing(redis) as commit:
        assert await commit.submit(ORG, event(1)) is None
        await redis.script_flush()

        assert await commit.submit(ORG, event(2)) is None

    assert await recorded(redis) == 2


async def test_a_closed_connection_is_replaced_without_an_error(redis: RedisClient) -> None:
    async with writing(redis) as commit:
        await commit.submit(ORG, event(1))
        await redis.client_kill_filter(_type="normal", skipme=True)

        assert await commit.submit(ORG, event(2)) is None


async def test_a_failed_call_only_fails_the_batch_of_its_shop(redis: RedisClient) -> None:
    await redis.set(keys.shop(ORG, "deliveries"), "not a stream")
    other = OrgId("2")
    async with writing(redis) as commit:
        bad, good = commit.submit(ORG, event(1)), commit.submit(other, event(2))

        assert isinstance(await bad, StoreUnavailable)
        assert await good is None

    assert await redis.xlen(keys.shop(other, "deliveries")) == 1


async def test_a_cancelled_request_does_not_cancel_the_others(redis: RedisClient) -> None:
    commit = GroupCommit(redis)
    impatient = asyncio.create_task(_wait(commit, 1))
    patient = asyncio.create_task(_wait(commit, 2))
    await asyncio.sleep(0)
    impatient.cancel()
    commit.start()

    assert await patient is None
    with pytest.raises(asyncio.CancelledError):
        await impatient
    await commit.stop()


async def _wait(commit: GroupCommit, number: int) -> StoreUnavailable | None:
    return await commit.submit(ORG, event(number))


async def _written(commit: GroupCommit, number: int) -> bool:
    """Repeat the event until it is written, as Haravan does."""

    async def taken() -> bool:
        return await commit.submit(ORG, event(number)) is None

    return await until(taken, within_s=60)


async def test_stopping_writes_all_queued_events(redis: RedisClient) -> None:
    commit = GroupCommit(redis)
    commit.start()
    waiting = [commit.submit(ORG, event(number)) for number in range(1, 301)]

    await commit.stop()

    assert {await each for each in waiting} == {None}
    assert await recorded(redis) == 300


def test_the_deadline_is_shorter_than_haravans_timeout() -> None:
    haravan_waits_s, on_the_way_s = 5.0, 1.0

    assert DEADLINE_S + REFRESH_TIMEOUT_S + on_the_way_s < haravan_waits_s


async def test_a_server_that_hangs_fails_requests_at_the_deadline(
    own_store: tuple[RedisClient, ValkeyServer],
) -> None:
    redis, server = own_store
    flushes: list[Flush] = []
    async with writing(redis, deadline_s=0.2, on_flush=flushes.append) as commit:
        await commit.submit(ORG, event(1))
        server.send_signal(signal.SIGSTOP)
        failure = await commit.submit(ORG, event(2))
        assert isinstance(failure, StoreUnavailable)
        assert flushes[-1].error is failure
        server.send_signal(signal.SIGCONT)
        assert await _written(commit, 3)


async def test_writing_resumes_after_the_server_restarts(
    own_store: tuple[RedisClient, ValkeyServer],
) -> None:
    redis, server = own_store
    async with writing(redis) as commit:
        await commit.submit(ORG, event(1))
        server.kill()
        assert isinstance(await commit.submit(ORG, event(2)), StoreUnavailable)

        server.start()
        assert await _written(commit, 3)
