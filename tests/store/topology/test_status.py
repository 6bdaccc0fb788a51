"""The state of each server, and when somebody is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from service.domain.customers.customer import OrgId
from service.store.client import Store, keys, queue_erased
from service.store.client.connection import connect
from service.store.topology import load_members
from service.store.topology.aof_rewrite import load_rewrite_state, rewrite_after_erasure
from service.store.topology.status import load_status
from tests.support.valkey import ValkeyServer
from tests.support.wait import wait_until

ORG = OrgId("1000000001")


class Pair(NamedTuple):
    """A durable primary and its replica."""

    redis: Store
    primary: ValkeyServer
    replica: ValkeyServer


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    servers = []
    for name in ("primary", "replica"):
        (tmp_path / name).mkdir()
        server = ValkeyServer(
            tmp_path / name,
            fsync="always",
            on_port=True,
            aof_load_truncated="no",
            min_replicas_to_write="1",
            repl_diskless_sync_delay="0",
        )
        server.start()
        servers.append(server)
    primary, replica = servers
    async with connect(replica.url, timeout_s=60) as client:
        await client.replicaof("127.0.0.1", str(primary.port))

        async def is_in_sync() -> bool:
            return bool((await client.info("replication")).get("master_link_status") == "up")

        await wait_until(is_in_sync)
    async with connect(primary.url, timeout_s=60) as redis:
        yield Pair(redis, primary, replica)
    for server in servers:
        server.kill()


async def test_both_servers_are_shown(pair: Pair) -> None:
    await pair.redis.sadd(keys.partition_key(ORG, "shops"), ORG)

    status = await load_status(pair.redis, "replica")

    primary, replica = status.servers
    assert (primary.role, primary.shops, primary.replicas, primary.append_only) == ("primary", 1, 1, "always")
    assert (replica.role, replica.link, replica.primary) == (
        "replica",
        "up",
        f"127.0.0.1:{pair.primary.port}",
    )
    assert (status.checks, status.needs_somebody, status.away) == ((), False, 0)


async def test_a_replica_that_does_not_keep_its_part_is_found(pair: Pair) -> None:
    async with connect(pair.replica.url, timeout_s=60) as replica:
        await replica.config_set("appendfsync", "everysec")

    status = await load_status(pair.redis, "replica")

    assert [check.name for check in status.checks] == ["not_durable"]
    assert status.needs_somebody


async def test_a_primary_without_its_replica_needs_somebody(pair: Pair) -> None:
    pair.replica.kill()

    async def is_gone() -> bool:
        return len(await load_members(pair.redis)) == 1

    await wait_until(is_gone)

    status = await load_status(pair.redis, "replica")

    assert "no_replica" in [check.name for check in status.checks]
    assert status.needs_somebody


async def test_a_server_that_is_away_is_counted(pair: Pair) -> None:
    pair.primary.kill()

    status = await load_status(pair.redis, "fsync")

    assert [check.name for check in status.checks] == ["server_away"]
    assert (status.away, status.servers[0].is_away, status.needs_somebody) == (1, True, True)


async def test_a_full_server_needs_somebody(pair: Pair) -> None:
    await pair.redis.config_set("maxmemory", "1000000")

    status = await load_status(pair.redis, "replica")

    assert "nearly_full" in [check.name for check in status.checks]
    assert status.needs_somebody


async def test_erased_data_leaves_the_disk_of_the_replica(pair: Pair, tmp_path: Path) -> None:
    canary = b"canary-in-the-file"
    await pair.redis.set("value", canary)
    async with pair.redis.pipeline() as pipe:
        pipe.delete("value")
        queue_erased(pipe, ORG, 1)
        await pipe.execute()
    await pair.redis.wait(1, 10_000)
    assert has(tmp_path / "replica", canary)

    async def is_rewritten() -> bool:  # the replica may still rewrite its file after the first copy
        await rewrite_after_erasure(pair.redis)
        return not (await load_rewrite_state(pair.redis)).waiting

    await wait_until(is_rewritten, interval_s=0.1)
    assert not has(tmp_path / "replica", canary)
    assert not has(tmp_path / "primary", canary)


def has(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in folder.rglob("*") if path.is_file())
