"""The store of a chaos run on several servers: what a cluster and Sentinel have in common.

Each server listens on a port of 127.0.0.1. Clients reach it on the same port of 127.0.0.2, where the proxy listens.
"""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

from redis.exceptions import RedisError

from deploy.local.aof_repair import repair_aof
from deploy.local.valkey import server_executable
from deploy.local.wait import until
from service.store.client import RedisClient
from service.store.client.connection import connect
from service.store.servers.address import Endpoint
from service.store.servers.connection import Connection, ConnectionOptions, pack_command
from tests.chaos.generations import GenerationWatch
from tests.chaos.network import Network
from tests.chaos.shim import Shim, build_shims
from tests.chaos.store import Fault
from tests.support.valkey import ValkeyServer
from tests.support.wait import accepts

PROXY_HOST: Final = "127.0.0.2"
RECOVERY_S: Final = 120.0
MAX_STOP_S: Final = 20.0  # until a primary that nobody replaces is back
MAX_LAG_S: Final = 1.0  # shorter than the node timeout and `down-after-milliseconds`
FULL: Final = 0.97  # of maxmemory is used while a server is full; webhooks are refused from 0.9 on

Durability = Literal["replica", "fsync"]


class ReplicatedStore(ABC):
    """Primaries with one replica each, a Redis for the wake-ups, and what can happen to them."""

    name: str
    shards: int
    servers: list[ValkeyServer]  # shard n has the servers n and n + shards

    def __init__(self, folder: Path, *, durability: Durability, network: Network) -> None:
        self.network = network
        self.folder = folder / "store"
        self.folder.mkdir()
        self.logs = folder / "logs"
        self.durability = durability
        self.rng = Random()
        self.repaired_logs = 0  # kills that left an append-only file incomplete
        self.redis: RedisClient
        self.generations = GenerationWatch(self._connect_to_primary_of)
        (self.folder / "queue").mkdir()
        self.queue = ValkeyServer(self.folder / "queue", on_port=True, host=network.address(0))
        self.queue.prefix = network.prefix(0)
        self.queue.log = self.logs / "queue.log"
        self._shims: list[Shim] = []
        self._away: set[int] = set()  # servers that a fault has killed
        self._watching: asyncio.Task[None] | None = None

    # --- life

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for the web processes and workers."""

    @abstractmethod
    async def primary(self, shard: int) -> int:
        """The number of the server that is the primary now. Raises LookupError if nobody knows."""

    @abstractmethod
    async def is_complete(self) -> bool:
        """Whether every primary is known to all, and has its replica in sync."""

    @abstractmethod
    async def create(self) -> None:
        """Start all servers for the first time, and make them one store."""

    @abstractmethod
    async def promote_replica(self, shard: int) -> None:
        """Start a planned failover."""

    @property
    def has_shim(self) -> bool:
        """Whether the disk of a server can be made slow on this machine."""
        return bool(self._shims)

    def environ(self, ports: Mapping[str, int], name: str) -> dict[str, str]:
        """The settings of a web process or worker."""
        del ports, name
        return {"REDIS_URL": self.url, "QUEUE_URL": self.queue.url, "DURABILITY": self.durability}

    def proxy_targets(self) -> list[str]:
        """The arguments of the proxy: each server is reached at the same port of another address, unless it is on a host."""
        if self.network.hosts:
            return []
        return [
            f"node{number}={server.port}@{PROXY_HOST}:{server.port}"
            for number, server in enumerate(self.servers)
        ]

    def pids(self) -> list[int]:
        """The processes, for a look at their arguments."""
        return [
            server.process.pid
            for server in (*self.servers, self.queue)
            if server.process is not None and server.process.poll() is None
        ]

    def deaths(self) -> list[str]:
        """The servers that ended although no fault killed them."""
        return [
            f"{self.name} server {number} ended by itself with {server.process.poll()}"
            for number, server in enumerate(self.servers)
            if number not in self._away and server.process is not None and server.process.poll() is not None
        ]

    async def start(self) -> None:
        """Start everything, and wait until it is complete."""
        self._prepare_shims()
        self.queue.launch()
        await self.create()
        assert await until(self._is_complete, within_s=RECOVERY_S), f"{self.name} is not complete"

    def connect(self) -> None:
        """Connect the client of the run, which waits as long as a fault takes. The proxy must listen."""
        self.redis = connect(self.url, queue_url=self.queue.url, timeout_s=30, patience_s=RECOVERY_S)

    async def stop(self) -> None:
        """Kill everything."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        for server in (*self.servers, self.queue):
            if server.process is not None and server.process.poll() is None:
                server.send_signal(signal.SIGCONT)
            server.kill()

    async def kill_all(self) -> None:
        """kill -9 of every server at once."""
        for number, server in enumerate(self.servers):
            self._away.add(number)
            server.kill()

    async def restart_all(self) -> None:
        """Start every server on its files, in any order, and wait until the store is complete."""
        numbers = list(range(len(self.servers)))
        self.rng.shuffle(numbers)
        for number in numbers:
            await self.restart(number)
            await asyncio.sleep(self.rng.choice([0, 0, 0.5]))
        await self.recover()

    async def restart(self, number: int) -> None:
        """Start a killed server on its files."""
        folder = self.server_folder(number)
        if await asyncio.to_thread(repair_aof, folder, server_executable()):
            self.repaired_logs += 1
        server = self.servers[number]
        server.launch()
        self._away.discard(number)
        assert await until(lambda: accepts(server.port, server.host), within_s=RECOVERY_S)

    async def restart_queue(self) -> None:
        """Start it, empty."""
        self.queue.launch()
        assert await until(lambda: accepts(self.queue.port, self.queue.host), within_s=RECOVERY_S)

    async def recover(self) -> None:
        """Wait until the store is complete."""
        assert await until(self._is_complete, within_s=RECOVERY_S, every_s=0.1), (
            f"{self.name} is not complete"
        )

    def server_folder(self, number: int) -> Path:
        """Where a server has its files."""
        return self.folder / f"node{number}"

    async def ask(self, number: int, *command: Any, timeout_s: float = 5) -> Any:
        """The reply of one server, over a connection of its own that passes no proxy. Raises redis' errors."""
        connection = await self._connect(number, timeout_s)
        try:
            return await connection.send(pack_command(*command))
        finally:
            connection.close()

    async def info(self, number: int, section: str) -> dict[str, str]:
        """A section of INFO of one server. Raises redis' errors."""
        text = (await self.ask(number, "INFO", section)).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    async def _connect(self, number: int, timeout_s: float) -> Connection:
        endpoint = Endpoint(self.servers[number].host, self.servers[number].port)
        return await Connection.open(endpoint, ConnectionOptions(timeout_s, timeout_s))

    async def _is_complete(self) -> bool:
        try:
            return await self.is_complete()
        except (RedisError, OSError, LookupError, KeyError):
            return False

    def _prepare_shims(self) -> None:
        pages = [self.folder / f"node{number}.page" for number in range(len(self.servers))]
        self._shims = build_shims(self.folder, pages)
        for server, shim in zip(self.servers, self._shims, strict=False):
            server.environ = shim.environ

    # --- what can happen

    def faults(self, rng: Random, cut: Callable[[str], None]) -> dict[str, Fault]:
        """The faults by name. Each leaves the store complete. `cut` commands the proxy."""
        self.rng = rng
        faults: dict[str, Fault] = {
            "kill -9 primary": self._kill_primary,
            "kill -9 replica": self._kill_replica,
            "SIGSTOP primary": self._stop_primary,
            "SIGSTOP primary until replaced": self._stop_primary_until_replaced,
            "SIGSTOP replica": self._stop_replica,
            "replica cut off, then kill -9 primary": self._kill_primary_without_replica,
            "kill -9 queue": self._kill_queue,
            "SIGSTOP queue": self._stop_queue,
            "kill -9 all servers": self._kill_all,
            "planned failover": self._fail_over,
            "server full": self._fill,
        }
        if not self.network.hosts:
            faults["cut server | clients"] = lambda: self._cut(cut)
            faults["hold server | clients"] = lambda: self._hold(cut)
        if self.has_shim:
            faults["slow fsync"] = self._slow_fsync
        return faults

    async def _kill_primary(self) -> None:
        """Half of the time it is replaced first, otherwise it may be back before anybody noticed."""
        shard = self._shard()
        number = await self.primary(shard)
        self.kill(number)
        if self.rng.random() < 0.5:
            await self.wait_until_replaced(shard, number)
        else:
            await asyncio.sleep(self.rng.uniform(0, 1.5))
        await self.restart(number)

    async def _kill_replica(self) -> None:
        number = await self.replica(self._shard())
        self.kill(number)
        await asyncio.sleep(self.rng.uniform(0, 1.5))
        await self.restart(number)

    async def _stop_primary(self) -> None:
        """It hangs for up to 8 s: often longer than until it is replaced."""
        await self._pause(self.servers[await self.primary(self._shard())], self.rng.uniform(0.5, 8))

    async def _stop_primary_until_replaced(self) -> None:
        """It wakes up just after: it still has connections, and executes what they hold before it learns of its successor."""
        shard = self._shard()
        number, replica = await self.primary(shard), await self.replica(shard)

        async def is_replaced() -> bool:
            try:
                return (await self.info(replica, "replication"))["role"] == "master"
            except (RedisError, OSError):
                return False

        self.servers[number].send_signal(signal.SIGSTOP)
        try:
            await until(is_replaced, within_s=MAX_STOP_S, every_s=0.01)
            await asyncio.sleep(self.rng.choice([0, 0.1, 0.5]))
        finally:
            self.servers[number].send_signal(signal.SIGCONT)

    async def _stop_replica(self) -> None:
        await self._pause(self.servers[await self.replica(self._shard())], self.rng.uniform(0.5, 5))

    async def _kill_primary_without_replica(self) -> None:
        """The replica loses its connection and cannot take a new one, too briefly for anybody to be replaced.

        Then the primary dies, and the replica takes over without what was written in between.
        """
        shard = self._shard()
        number, replica = await self.primary(shard), await self.replica(shard)
        self.servers[replica].send_signal(signal.SIGSTOP)
        try:
            await self.ask(number, "CLIENT", "KILL", "TYPE", "replica")
            await asyncio.sleep(self.rng.uniform(0.3, MAX_LAG_S))
            self.kill(number)
        finally:
            self.servers[replica].send_signal(signal.SIGCONT)
        await self.wait_until_replaced(shard, number)
        await self.restart(number)

    async def _kill_queue(self) -> None:
        """All wake-ups are lost with it, because it writes nothing to disk."""
        self.queue.kill()
        await asyncio.sleep(self.rng.uniform(0, 3))
        await self.restart_queue()

    async def _stop_queue(self) -> None:
        await self._pause(self.queue, self.rng.uniform(0.5, 8))

    async def _kill_all(self) -> None:
        await self.kill_all()
        await asyncio.sleep(self.rng.uniform(0, 1.5))
        await self.restart_all()

    async def _fail_over(self) -> None:
        shard = self._shard()
        number = await self.primary(shard)
        await self.promote_replica(shard)
        await self.wait_until_replaced(shard, number)

    async def _fill(self) -> None:
        """A primary and its replica have as little room as after a flood."""
        shard = self._shard()
        used = int((await self.info(await self.primary(shard), "memory"))["used_memory"])
        pair = self._pair(shard)
        for number in pair:
            await self.ask(number, "CONFIG", "SET", "maxmemory", int(used / FULL))
        await asyncio.sleep(self.rng.uniform(2, 5))
        for number in pair:
            await self.ask(number, "CONFIG", "SET", "maxmemory", 0)

    async def _slow_fsync(self) -> None:
        shim = self._shims[self.rng.choice(self._pair(self._shard()))]
        shim.slow_fsync(self.rng.choice([0.02, 0.1, 0.4]))
        await asyncio.sleep(self.rng.uniform(2, 5))
        shim.slow_fsync(0)

    async def _cut(self, command: Callable[[str], None]) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            command(f"cut node{self.rng.randrange(len(self.servers))}")
            await asyncio.sleep(self.rng.uniform(0, 0.3))

    async def _hold(self, command: Callable[[str], None]) -> None:
        """Nothing passes between a primary and its clients."""
        number, seconds = await self.primary(self._shard()), self.rng.uniform(0.3, 7)
        command(f"hold node{number} {seconds:.1f}")
        await asyncio.sleep(seconds)

    def kill(self, number: int) -> None:
        """kill -9 of one server."""
        self._away.add(number)
        self.servers[number].kill()

    async def _pause(self, server: ValkeyServer, seconds: float) -> None:
        server.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            server.send_signal(signal.SIGCONT)

    async def wait_until_replaced(self, shard: int, number: int) -> None:
        """Wait until this server is the primary no more, for a while: a replica that was away too long never takes over."""

        async def is_replaced() -> bool:
            try:
                return await self.primary(shard) != number
            except (RedisError, OSError, LookupError):
                return False

        await until(is_replaced, within_s=MAX_STOP_S, every_s=0.1)

    def _shard(self) -> int:
        return self.rng.randrange(self.shards)

    def _pair(self, shard: int) -> tuple[int, int]:
        return shard, shard + self.shards

    async def replica(self, shard: int) -> int:
        """The number of the other server. Raises LookupError if nobody knows the primary."""
        primary = await self.primary(shard)
        return next(number for number in self._pair(shard) if number != primary)

    # --- generations

    def watch(self, orgs: Sequence[str]) -> None:
        """Watch the generations of these shops from now on."""
        if orgs:
            self._watching = asyncio.create_task(self.generations.run(orgs))

    @abstractmethod
    async def primary_of(self, org: str) -> int:
        """The number of the server that owns a shop. Raises LookupError if nobody knows."""

    async def _connect_to_primary_of(self, org: str) -> Connection:
        return await self._connect(await self.primary_of(org), 2)
