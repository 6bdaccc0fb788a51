"""The client and a real cluster: keys of all servers, transactions, and what a failover or a move interrupts."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError

from service.domain.customers.customer import OrgId
from service.store.client import keys
from service.store.client.connection import Store, connect
from service.store.client.scan import load_partitions
from service.store.client.scripts import Script
from service.store.servers.cluster import slot_of
from tests.support.cluster import SHARDS, ValkeyCluster, running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

ADD = Script(
    "local n = redis.call('HINCRBY', KEYS[2], 'n', 1) redis.call('SADD', KEYS[1]..'set', n) return n"
)
ORGS = [OrgId(str(number)) for number in range(1000, 1200)]


def orgs_of(slots: range) -> list[OrgId]:
    return [org for org in ORGS if slot_of(keys.shop(org).encode()) in slots]


def slots_of_shard(shard: int) -> range:
    return range(shard * 16_384 // SHARDS, (shard + 1) * 16_384 // SHARDS)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[ValkeyCluster]:
    """A cluster for one test, which may kill parts of it."""
    async with running_cluster(tmp_path) as running:
        yield running


@pytest.fixture
async def store(cluster: ValkeyCluster) -> AsyncIterator[Store]:
    """Its client."""
    async with connect(cluster.url, queue_url="redis://127.0.0.1:1", timeout_s=30, patience_s=30) as client:
        yield client


async def test_keys_of_all_servers_are_used_like_those_of_one(store: Any, cluster: ValkeyCluster) -> None:
    assert await asyncio.gather(*(ADD(store, org) for org in ORGS)) == [1] * len(ORGS)

    async with store.pipeline(transaction=False) as pipe:
        for org in ORGS:
            pipe.hget(keys.shop(org, "shop"), "n")
            ADD(pipe, org)
        replies = await pipe.execute()
    assert replies == [b"1", 2] * len(ORGS)

    loaded = await load_partitions(store, lambda pipe, n: pipe.set(keys.of_partition(n, "x"), n))
    assert loaded == dict.fromkeys(keys.PARTITIONS, True)

    sizes = [await server.dbsize() for server in await store.servers()]
    assert len(sizes) == SHARDS
    assert sum(sizes) == len({keys.shop(org) for org in ORGS}) * 2 + 64
    assert all(size > 64 for size in sizes)

    async with store.pipeline() as pipe:  # a transaction has one slot
        pipe.set(keys.shop(ORGS[0], "a"), 1)
        pipe.set(keys.shop(ORGS[0], "b"), 2)
        assert await pipe.execute() == [True, True]
    across = [keys.of_partition(0, "a"), keys.of_partition(1, "a")]
    with pytest.raises(ResponseError):
        await store.mget(*across)

    # a script that one server has lost is loaded there again
    await (await store.servers())[1].script_flush()
    assert await asyncio.gather(*(ADD(store, org) for org in ORGS)) == [3] * len(ORGS)

    # a watched key that changes refuses the transaction, a second attempt succeeds
    key = keys.shop(ORGS[1], "watched")
    seen = []

    async def attempt(pipe: Any) -> None:
        seen.append(await pipe.get(key))
        if len(seen) == 1:
            await store.set(key, "other")
        pipe.multi()
        pipe.set(key, "mine")

    await store.transact([key], attempt)
    assert seen == [None, b"other"]
    assert await store.get(key) == b"mine"


async def test_a_dead_primary_only_delays_its_own_shops(store: Any, cluster: ValkeyCluster) -> None:
    await asyncio.gather(*(ADD(store, org) for org in ORGS))
    cluster.servers[0].kill()

    async def timed(org: OrgId) -> tuple[int, float]:
        started = time.monotonic()
        return await ADD(store, org), time.monotonic() - started

    others = await asyncio.gather(*(timed(org) for shard in (1, 2) for org in orgs_of(slots_of_shard(shard))))
    own = await asyncio.gather(*(timed(org) for org in orgs_of(slots_of_shard(0))))

    assert {reply for reply, _ in others} == {2}
    assert {reply for reply, _ in own} <= {
        1,
        2,
    }  # replication is asynchronous, so the replica may lack the first
    assert max(seconds for _, seconds in others) < min(seconds for _, seconds in own)


async def test_a_primary_that_hangs_is_left_when_its_replica_takes_over(
    store: Any, cluster: ValkeyCluster
) -> None:
    await asyncio.gather(*(ADD(store, org) for org in ORGS))
    cluster.servers[1].send_signal(signal.SIGSTOP)

    replies = await asyncio.gather(*(ADD(store, org) for org in orgs_of(slots_of_shard(1))))

    assert set(replies) <= {1, 2, 3}
    assert cluster.ports[4] in {server.endpoint.port for server in await store.servers()}


async def test_calls_wait_for_a_planned_failover(store: Any, cluster: ValkeyCluster) -> None:
    org, stopped = orgs_of(slots_of_shard(2))[0], asyncio.Event()

    async def count() -> list[int]:
        numbers: list[int] = []
        while not stopped.is_set():
            numbers.append(await ADD(store, org))
        return numbers

    counting = asyncio.create_task(count())
    await cluster.ask(5, "CLUSTER", "FAILOVER")
    while await cluster.primary_of(slot_of(keys.shop(org).encode())) != 5:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await ADD(store, org)
    stopped.set()
    numbers = await counting

    assert numbers == sorted(set(numbers))  # a call may be executed twice, but no number comes back


async def test_scripts_and_transactions_wait_while_their_slot_is_moved(
    store: Any, cluster: ValkeyCluster
) -> None:
    """Without their fences, a script would find an empty shop at the one server or the other."""
    org = orgs_of(slots_of_shard(0))[0]
    slot, hash_key, text_key = (
        slot_of(keys.shop(org).encode()),
        keys.shop(org, "shop"),
        keys.shop(org, "text"),
    )
    for number in range(300):
        await store.set(keys.shop(org, f"filler{number}"), "x" * 100)
    await store.set(text_key, "0")
    stopped = asyncio.Event()

    async def count() -> list[int]:
        numbers: list[int] = []
        while not stopped.is_set():
            numbers.append(await ADD(store, org))
        return numbers

    async def increment(pipe: Any) -> None:
        text = await pipe.get(text_key)
        pipe.multi()
        pipe.set(text_key, str(int(text) + 1))
        pipe.hset(hash_key, "text", str(int(text) + 1))

    async def append() -> int:
        written = 0
        while not stopped.is_set():
            await store.transact([text_key], increment)
            written += 1
        return written

    async def read() -> int:
        reads = 0
        while not stopped.is_set():
            assert await store.get(keys.shop(org, "filler7")) == b"x" * 100
            reads += 1
        return reads

    tasks = asyncio.create_task(count()), asyncio.create_task(append()), asyncio.create_task(read())
    while int(await store.get(text_key)) <= 3:  # a fast machine moves the slot before much is written
        for source, target in ((0, 1), (1, 2), (2, 0)):
            await cluster.move_slot(slot, source=source, target=target, batch=3)
    last = await ADD(store, org)
    stopped.set()
    numbers, written, reads = await asyncio.gather(*tasks)

    assert sorted([*numbers, last]) == list(range(1, len(numbers) + 2))
    assert numbers == sorted(numbers)
    assert int(await store.get(text_key)) == written == int(await store.hget(hash_key, "text"))
    assert min(len(numbers), written, reads) > 3


async def test_a_cluster_that_restarts_is_found_again(store: Any, cluster: ValkeyCluster) -> None:
    await asyncio.gather(*(ADD(store, org) for org in ORGS[:20]))
    cluster.kill()
    async with store.pipeline(transaction=False) as pipe:
        ADD(pipe, ORGS[0])
        with pytest.raises(RedisError):
            await pipe.execute(patience_s=0)
    for server in cluster.servers:
        server.start()

    assert len(await asyncio.gather(*(ADD(store, org) for org in ORGS[:20]))) == 20
