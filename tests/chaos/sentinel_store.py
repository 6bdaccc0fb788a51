"""Sentinel as the store of a chaos run: a primary, a replica, and three sentinels that know them by the proxy's address.

So a server that the proxy holds is cut off from its replica and from the sentinels as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

from redis.exceptions import RedisError

from deploy.local.valkey import server_executable
from service.store.servers.address import Endpoint
from service.store.servers.connection import Connection, ConnectionOptions, pack_command
from tests.chaos.network import Network
from tests.chaos.processes import ChildProcess
from tests.chaos.replicated import PROXY_HOST, Durability, ReplicatedStore
from tests.chaos.store import Fault
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer

NAME: Final = "mymaster"
DOWN_MS: Final = 2_000
FAILOVER_TIMEOUT_MS: Final = 6_000
SENTINELS: Final = 3


class SentinelStore(ReplicatedStore):
    """Two servers and three sentinels."""

    name = "sentinel"
    shards = 1

    def __init__(self, folder: Path, *, durability: Durability, network: Network) -> None:
        super().__init__(folder, durability=durability, network=network)
        self.servers = []
        for number in range(2):
            path = self.server_folder(number)
            path.mkdir()
            server = ValkeyServer(
                path,
                fsync="always",
                on_port=True,
                aof_load_truncated="no",
                min_replicas_to_write="1" if durability == "replica" else "0",
                repl_diskless_sync_delay="0",
                replica_announce_ip=PROXY_HOST,
            )
            server.log = self.logs / f"node{number}.log"
            server.config = path / "valkey.conf"  # Sentinel lets the server write its role here
            server.config.touch()
            self.servers.append(server)
        self._ports = [free_port() for _ in range(SENTINELS)]
        self._sentinels = [
            ChildProcess(
                f"sentinel{number}",
                [server_executable(), str(self.folder / f"sentinel{number}" / "sentinel.conf"), "--sentinel"],
                {},
                self.logs / f"sentinel{number}.log",
            )
            for number in range(SENTINELS)
        ]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{NAME}/0"

    async def create(self) -> None:
        for server in self.servers:
            server.start()
        await self.ask(1, "REPLICAOF", PROXY_HOST, self.servers[0].port)
        await self.ask(1, "CONFIG", "REWRITE")
        for number, sentinel in enumerate(self._sentinels):
            folder = self.folder / f"sentinel{number}"
            folder.mkdir()
            (folder / "sentinel.conf").write_text(
                f"port {self._ports[number]}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor {NAME} {PROXY_HOST} {self.servers[0].port} 2\n"
                f"sentinel down-after-milliseconds {NAME} {DOWN_MS}\n"
                f"sentinel failover-timeout {NAME} {FAILOVER_TIMEOUT_MS}\n",
                encoding="utf-8",
            )
            await sentinel.start()

    async def stop(self) -> None:
        for sentinel in self._sentinels:
            await sentinel.kill()
        await super().stop()

    def deaths(self) -> list[str]:
        return super().deaths() + [death for sentinel in self._sentinels for death in sentinel.deaths]

    async def primary(self, shard: int) -> int:
        del shard
        reports = await self._reports()
        if not reports:
            raise LookupError("no sentinel answers")
        return self._number(max(reports, key=lambda report: int(report["config-epoch"])))

    async def primary_of(self, org: str) -> int:
        del org
        return await self.primary(0)

    async def is_complete(self) -> bool:
        reports = await self._reports()
        if len(reports) < SENTINELS or len({report["port"] for report in reports}) > 1:
            return False
        number = self._number(reports[0])
        primary = await self.info(number, "replication")
        replica = await self.info(1 - number, "replication")
        return (
            all(report["flags"] == "master" and report["num-slaves"] == "1" for report in reports)
            and all([await self._knows_replica(sentinel) for sentinel in range(SENTINELS)])
            and (primary["role"], primary["connected_slaves"]) == ("master", "1")
            and (replica["role"], replica.get("master_link_status")) == ("slave", "up")
        )

    async def promote_replica(self, shard: int) -> None:
        del shard
        await self._ask_sentinel(0, "FAILOVER", NAME)

    def faults(self, rng: Random, cut: Callable[[str], None]) -> dict[str, Fault]:
        return {**super().faults(rng, cut), "kill -9 sentinel": self._kill_sentinel}

    async def _kill_sentinel(self) -> None:
        sentinel = self.rng.choice(self._sentinels)
        await sentinel.kill()
        await asyncio.sleep(self.rng.uniform(0, 3))
        await sentinel.start()

    def _number(self, report: dict[str, str]) -> int:
        return [server.port for server in self.servers].index(int(report["port"]))

    async def _knows_replica(self, sentinel: int) -> bool:
        (replica,) = await self._ask_sentinel(sentinel, "REPLICAS", NAME)
        return _fields(replica)["flags"] == "slave" and _fields(replica)["master-link-status"] == "ok"

    async def _reports(self) -> list[dict[str, str]]:
        """What each sentinel that answers says of the primary."""
        reports: list[dict[str, str]] = []
        for number in range(SENTINELS):
            try:
                reports.append(_fields(await self._ask_sentinel(number, "MASTER", NAME)))
            except (RedisError, OSError):
                continue
        return reports

    async def _ask_sentinel(self, number: int, *command: Any) -> Any:
        connection = await Connection.open(
            Endpoint("127.0.0.1", self._ports[number]), ConnectionOptions(1, 1)
        )
        try:
            return await connection.send(pack_command("SENTINEL", *command))
        finally:
            connection.close()


def _fields(reply: list[bytes]) -> dict[str, str]:
    words = [word.decode() for word in reply]
    return dict(zip(words[::2], words[1::2], strict=True))
