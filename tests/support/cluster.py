"""A Valkey cluster on loopback: three primaries with a replica each, which a test kills, stops and reshards."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from service.store.servers.address import Endpoint
from service.store.servers.connection import Connection, ConnectionOptions, pack_command
from tests.support.valkey import Fsync, ValkeyServer
from tests.support.wait import LOOPBACK, wait_until

SHARDS: Final = 3
SLOTS: Final = 16_384
NODE_TIMEOUT_MS: Final = 1_000
POLL_S: Final = 0.05


class ValkeyCluster:
    """Six servers. Shard n has the servers n (its first primary) and n + 3. They end with this process."""

    def __init__(
        self,
        folder: Path,
        *,
        fsync: Fsync | None = None,
        replicas: int = 1,
        host_of: Callable[[int], str] = lambda _: LOOPBACK,
        **options: str,
    ) -> None:
        self.servers: list[ValkeyServer] = []
        for number in range(SHARDS * (1 + replicas)):
            path = folder / f"node{number}"
            path.mkdir()
            node_options = {
                "cluster_node_timeout": str(NODE_TIMEOUT_MS),
                "cluster_require_full_coverage": "no",
                "cluster_allow_replica_migration": "no",
                "repl_diskless_sync_delay": "0",
                **options,
            }
            self.servers.append(
                ValkeyServer(
                    path, fsync=fsync, on_port=True, cluster=True, host=host_of(number), **node_options
                )
            )

    @property
    def ports(self) -> list[int]:
        """The port of each server."""
        return [server.port for server in self.servers]

    @property
    def url(self) -> str:
        """The address of the cluster, with all servers."""
        return "redis+cluster://" + ",".join(f"{server.host}:{server.port}" for server in self.servers)

    async def start(self) -> None:
        """Start all servers, assign the slots, and wait until each server knows all others."""
        for server in self.servers:
            server.launch()
        await asyncio.gather(*(self._until(number, self._answers) for number in range(len(self.servers))))
        for number in range(len(self.servers)):
            await self.ask(number, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await self.ask(number, "CLUSTER", "MEET", self.servers[0].host, self.ports[0])
        for shard in range(SHARDS):
            first, last = shard * SLOTS // SHARDS, (shard + 1) * SLOTS // SHARDS - 1
            await self.ask(shard, "CLUSTER", "ADDSLOTSRANGE", first, last)
        await self.wait_until_complete()
        for number in range(SHARDS, len(self.servers)):
            await self.ask(number, "CLUSTER", "REPLICATE", await self.node_id(number % SHARDS))
        await self.wait_until_complete()

    async def wait_until_complete(self) -> None:
        """Wait until every server knows all others, all slots are served, and all replicas are in sync."""

        await asyncio.gather(*(self._until(number, self.is_complete) for number in range(len(self.servers))))

    async def is_complete(self, number: int) -> bool:
        """Whether this server knows all others, and is a primary with all its replicas or a replica in sync."""
        info = _fields(await self.ask(number, "CLUSTER", "INFO"))
        replication = _fields(await self.ask(number, "INFO", "replication"))
        return (
            info["cluster_state"] == "ok"
            and info["cluster_known_nodes"] == str(len(self.servers))
            and info["cluster_size"] == str(SHARDS)
            and replication.get("master_link_status", "up") == "up"
        )

    async def ask(self, number: int, *command: Any, timeout_s: float = 30) -> Any:
        """The reply of one server, over a connection of its own."""
        connection = await Connection.open(
            Endpoint(self.servers[number].host, self.ports[number]), ConnectionOptions(timeout_s, timeout_s)
        )
        try:
            return await connection.send(pack_command(*command))
        finally:
            connection.close()

    async def node_id(self, number: int) -> str:
        """The id of a server in its cluster."""
        return str((await self.ask(number, "CLUSTER", "MYID")).decode())

    async def primary_of(self, slot: int) -> int:
        """The number of the server that owns this slot, as one of the servers that answer says."""
        for number in range(len(self.servers)):
            try:
                ranges = await self.ask(number, "CLUSTER", "SLOTS", timeout_s=1)
            except RedisError:  # it is dead or stopped
                continue
            for first, last, (_, port, *_), *_ in ranges:
                if first <= slot <= last:
                    return self.ports.index(port)
        raise LookupError(f"no server owns slot {slot}")

    async def move_slot(self, slot: int, *, source: int, target: int, batch: int = 10) -> None:
        """Move a slot as `valkey-cli --cluster reshard` does: key by key, while clients work."""
        ids = {number: await self.node_id(number) for number in (source, target)}
        await self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        await self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        while names := await self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, batch):
            await self.ask(
                source,
                "MIGRATE",
                self.servers[target].host,
                self.ports[target],
                "",
                0,
                30_000,
                "KEYS",
                *names,
            )
        for number in (target, source):
            await self.ask(number, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])

    def kill(self) -> None:
        """kill -9 of all servers."""
        for server in self.servers:
            server.kill()

    async def _answers(self, number: int) -> bool:
        return bool(await self.ask(number, "PING"))

    async def _until(self, number: int, holds: Callable[[int], Awaitable[bool]]) -> None:
        async def succeeds() -> bool:
            try:
                return await holds(number)
            except RedisError:
                return False

        await wait_until(succeeds, interval_s=POLL_S)


def _fields(text: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in text.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


@asynccontextmanager
async def running_cluster(folder: Path, **options: Any) -> AsyncIterator[ValkeyCluster]:
    """A running cluster, for a test that changes it."""
    cluster = ValkeyCluster(folder, **options)
    try:
        await cluster.start()
        yield cluster
    finally:
        for server in cluster.servers:
            if server.process is not None:
                server.send_signal(signal.SIGCONT)
        cluster.kill()


@contextmanager
def cluster(folder: Path, **options: Any) -> Iterator[str]:
    """The URL of a running cluster, for many tests."""
    running = ValkeyCluster(folder, **options)
    try:
        asyncio.run(running.start())
        yield running.url
    finally:
        running.kill()
