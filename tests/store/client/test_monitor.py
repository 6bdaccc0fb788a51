"""The store monitor: which server may acknowledge, and what a change of the server means."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from service.errors import Refused
from service.store.client import RedisClient, keys
from service.store.client.connection import connect
from service.store.client.durability import Durability
from service.store.client.monitor import (
    ALERT_AFTER_CHECKS,
    MARGIN_MS,
    ChangeKind,
    StoreChange,
    StoreMonitor,
    StoreUnfit,
)
from service.store.servers.cluster import slot_of
from tests.support.cluster import SHARDS, running_cluster
from tests.support.valkey import ValkeyServer
from tests.support.wait import wait_until

MEBIBYTE = 1024 * 1024


class Monitored:
    """A monitor, and what it reported."""

    def __init__(self, redis: RedisClient, durability: Durability = "fsync") -> None:
        self.changes: list[StoreChange] = []
        self.unfit: list[str] = []
        self.monitor = StoreMonitor(redis, durability, on_change=self._change, on_unfit=self.unfit.append)

    async def _change(self, change: StoreChange) -> None:
        assert not self.monitor.is_fit  # nothing is acknowledged before the repair
        self.changes.append(change)

    async def check(self) -> None:
        """One check of a server that is fit."""
        await self.monitor.check()

    @property
    def kinds(self) -> list[ChangeKind]:
        return [change.kind for change in self.changes]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A durable server."""
    server = ValkeyServer(tmp_path / "one", fsync="always", aof_load_truncated="no")
    (tmp_path / "one").mkdir()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def own(server: ValkeyServer) -> AsyncIterator[RedisClient]:
    """Its client."""
    client = connect(server.url, timeout_s=60, patience_s=3)  # it reads its file after a restart
    yield client
    await client.aclose()


async def config(redis: RedisClient, **settings: Any) -> None:
    """Change the server's settings."""
    client: Any = redis
    for name, value in settings.items():
        await client.config_set(name.replace("_", "-"), value)


async def now_ms(redis: RedisClient) -> int:
    client: Any = redis
    return int((await client.time())[0]) * 1000


async def test_a_new_process_finds_the_server_once(own: RedisClient) -> None:
    store = Monitored(own)

    await store.check()
    await store.check()

    assert store.changes == [StoreChange("started")]
    assert store.monitor.is_fit


async def test_a_restart_with_all_data_needs_no_repair(own: RedisClient, server: ValkeyServer) -> None:
    store = Monitored(own)
    await store.check()
    before = store.monitor.run_ids

    server.kill()
    server.start()
    await store.check()

    assert store.changes == [StoreChange("started"), StoreChange("restarted")]
    assert store.monitor.run_ids
    assert store.monitor.run_ids.isdisjoint(before)


async def test_a_restart_of_a_server_that_may_lose_a_second_is_repaired(
    own: RedisClient, server: ValkeyServer
) -> None:
    store = Monitored(own, "everysec")
    await store.check()
    at_ms = await now_ms(own)

    server.kill()
    server.start()
    await store.check()

    assert store.kinds == ["started", "rewound"]
    assert at_ms - MARGIN_MS - 60_000 < store.changes[1].since_ms <= at_ms - MARGIN_MS + 60_000


async def test_an_emptied_server_is_repaired_from_before_it_was_last_seen(
    own: RedisClient, server: ValkeyServer, tmp_path: Path
) -> None:
    store = Monitored(own)
    await store.check()
    at_ms = await now_ms(own)

    server.kill()
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "one").mkdir()
    server.start()
    await store.check()
    await store.check()

    assert store.kinds == ["started", "emptied"]
    assert store.changes[1].since_ms <= at_ms - MARGIN_MS + 60_000


async def test_every_process_that_knew_the_data_reports_that_it_is_gone(own: RedisClient) -> None:
    one, two = Monitored(own), Monitored(own)
    await one.check()
    await two.check()

    await own.flushall()
    await one.check()
    await two.check()

    assert (one.kinds, two.kinds) == (["started", "emptied"], ["started", "emptied"])


async def test_a_promoted_replica_is_repaired_once_by_all_processes(tmp_path: Path) -> None:
    servers = [ValkeyServer(tmp_path / name, fsync="always", on_port=True) for name in ("one", "two")]
    for server, name in zip(servers, ("one", "two"), strict=True):
        (tmp_path / name).mkdir()
        server.start()
    primary, replica = (connect(server.url, timeout_s=60) for server in servers)
    try:
        await Monitored(primary).check()
        await primary.set(keys.of_partition(0, "last_server_time"), at_ms := await now_ms(primary))
        await _replicate(replica, servers[0])
        servers[0].kill()
        await replica.replicaof("NO", "ONE")

        first, second = Monitored(replica), Monitored(replica)
        await first.check()
        await second.check()
    finally:
        await primary.aclose()
        await replica.aclose()
        for server in servers:
            server.kill()

    assert first.changes == [StoreChange("rewound", at_ms - MARGIN_MS)]
    assert second.changes == [StoreChange("started")]


async def test_a_replica_is_not_fit(own: RedisClient) -> None:
    store = Monitored(own)
    await store.check()

    await own.replicaof("127.0.0.1", "1")
    with pytest.raises(StoreUnfit, match="replica"):
        await store.check()

    assert not store.monitor.is_fit


async def _replicate(replica: RedisClient, primary: ValkeyServer) -> None:
    await replica.replicaof("127.0.0.1", primary.url.rpartition(":")[2].removesuffix("/0"))
    client: Any = replica

    async def is_in_sync() -> bool:
        return bool((await client.info("replication")).get("master_link_status") == "up")

    await wait_until(is_in_sync)


async def test_older_data_under_the_same_id_is_repaired(own: RedisClient, server: ValkeyServer) -> None:
    store = Monitored(own)
    saved = keys.of_partition(0, "last_server_time")
    at_ms = await now_ms(own)
    await own.set(saved, at_ms)
    await store.check()

    await own.set(saved, at_ms - 3_600_000)  # as a backup from an hour ago has it
    server.kill()
    server.start()
    await store.check()

    assert store.changes[1:] == [StoreChange("rewound", at_ms - 3_600_000 - MARGIN_MS)]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        pytest.param({"maxmemory": "64mb", "maxmemory_policy": "allkeys-lru"}, "evict", id="evicts"),
        pytest.param({"appendfsync": "everysec"}, "appendfsync always", id="syncs late"),
        pytest.param({"appendonly": "no"}, "appendonly no", id="writes nothing to disk"),
    ],
)
async def test_a_server_that_becomes_unfit_acknowledges_nothing_until_it_is_fit_again(
    own: RedisClient, settings: dict[str, str], reason: str
) -> None:
    store = Monitored(own)
    await store.check()
    run_ids = store.monitor.run_ids

    await config(own, **settings)
    for _ in range(ALERT_AFTER_CHECKS):
        with pytest.raises(StoreUnfit, match=reason):
            await store.check()
    assert not store.monitor.is_fit
    assert len(store.unfit) == 1
    assert [finding.level for finding in store.monitor.findings if reason in finding.text] == ["refused"]

    await config(own, maxmemory="0", maxmemory_policy="noeviction", appendonly="yes", appendfsync="always")
    await store.check()
    assert store.monitor.run_ids == run_ids
    assert store.kinds == ["started", "rewound"]  # keys may be gone, and webhooks were refused


async def test_a_repair_that_fails_is_repeated_and_nothing_is_acknowledged_meanwhile(
    own: RedisClient,
) -> None:
    calls: list[StoreChange] = []

    async def fail_once(change: StoreChange) -> None:
        calls.append(change)
        if len(calls) == 1:
            raise Refused("the shop cannot be seeded")

    monitor = StoreMonitor(own, "fsync", on_change=fail_once)
    with pytest.raises(Refused):
        await monitor.check()
    assert not monitor.is_fit

    await monitor.check()

    assert monitor.is_fit
    assert [change.kind for change in calls] == ["started", "started"]


async def test_a_server_that_was_not_checked_is_checked_before_it_is_admitted(own: RedisClient) -> None:
    client: Any = own
    run_id = (await client.info("server"))["run_id"]
    store = Monitored(own)

    assert not await store.monitor.admits("another")
    assert await store.monitor.admits(run_id)
    assert store.kinds == ["started"]


async def test_an_unfit_server_is_not_admitted(redis: RedisClient) -> None:
    client: Any = redis
    store = Monitored(redis)

    assert not await store.monitor.admits((await client.info("server"))["run_id"])


async def test_a_server_without_memory_is_fit_so_that_people_can_free_it(own: RedisClient) -> None:
    await config(own, maxmemory="1")
    store = Monitored(own)

    await store.check()

    assert store.monitor.is_fit
    assert [finding.name for finding in store.monitor.findings] == ["nearly_full"]
    assert not store.monitor.take_room(1)


async def test_the_room_ends_before_the_memory_does(own: RedisClient) -> None:
    client: Any = own
    store = Monitored(own)
    await store.check()
    assert store.monitor.take_room(10**9)  # no maxmemory

    used = (await client.info("memory"))["used_memory"]
    await config(own, maxmemory=str(used + 4 * MEBIBYTE))
    await store.check()

    assert store.monitor.take_room(100)
    assert not store.monitor.take_room(5_000)
    await store.check()
    assert store.monitor.take_room(100)


async def test_a_server_that_cannot_be_read_is_an_error_and_keeps_its_state(
    own: RedisClient, server: ValkeyServer
) -> None:
    store = Monitored(own)
    await store.check()

    server.kill()
    with pytest.raises(RedisError):
        await store.check()

    assert store.monitor.is_fit  # a new connection is checked before it is used


@pytest.mark.cluster
async def test_a_slot_that_is_on_its_way_to_another_server_is_no_error(tmp_path: Path) -> None:
    async with (
        running_cluster(tmp_path, fsync="always", aof_load_truncated="no") as cluster,
        connect(cluster.url, timeout_s=60, patience_s=60) as redis,
    ):
        changes: list[StoreChange] = []

        async def note(change: StoreChange) -> None:
            changes.append(change)

        monitor = StoreMonitor(redis, "fsync", on_change=note, on_unfit=lambda _: None)
        slot = slot_of(keys.of_partition(0, "store").encode())
        source = await cluster.primary_of(slot)
        target = (source + 1) % SHARDS
        ids = {number: await cluster.node_id(number) for number in (source, target)}
        await cluster.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        await cluster.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        await monitor.check()
        before = len(monitor.run_ids)

        for number in (target, source):
            await cluster.ask(number, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])

        async def is_found() -> bool:
            await redis.router.look()
            await monitor.check()
            return len(monitor.run_ids) == SHARDS

        await wait_until(is_found, interval_s=0.2)

    assert before == SHARDS - 1
    assert not any(finding.name == "server_away" for finding in monitor.findings)
