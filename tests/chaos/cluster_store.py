"""A cluster as the store of a chaos run: three primaries with a replica each, whose slots move as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from deploy.local.valkey import server_executable
from service.store.client import keys
from service.store.servers.cluster import slot_of
from tests.chaos.network import Network
from tests.chaos.processes import ChildProcess
from tests.chaos.replicated import PROXY_HOST, Durability, ReplicatedStore
from tests.chaos.store import Fault
from tests.support.cluster import SHARDS, ValkeyCluster
from tests.support.valkey import ValkeyServer

WEIGHT: Final = 1.05  # one primary gets so much more of the slots at a rebalance
NODE_TIMEOUT_MS: Final = 1_500  # as in compose.cluster.yaml


class ClusterStore(ReplicatedStore):
    """Six servers."""

    name = "cluster"
    shards = SHARDS

    def __init__(self, folder: Path, *, durability: Durability, network: Network) -> None:
        super().__init__(folder, durability=durability, network=network)
        self.cluster = ValkeyCluster(
            self.folder,
            fsync="always",
            aof_load_truncated="no",
            min_replicas_to_write="1" if durability == "replica" else "0",
            cluster_node_timeout=str(NODE_TIMEOUT_MS),
            host_of=lambda number: network.address(self.host_of(number)),
            cluster_announce_client_ipv4="" if network.hosts else PROXY_HOST,
        )
        self.servers = self.cluster.servers
        for number, server in enumerate(self.servers):
            server.log = self.logs / f"node{number}.log"
            server.prefix = network.prefix(self.host_of(number))
        self._rebalances = 0

    @staticmethod
    def host_of(number: int) -> int:
        """The host of a server: a replica is on another than its first primary."""
        return (number + number // SHARDS) % SHARDS

    @property
    def url(self) -> str:
        if self.network.hosts:
            return self.cluster.url
        return "redis+cluster://" + ",".join(f"{PROXY_HOST}:{server.port}" for server in self.servers)

    async def create(self) -> None:
        await self.cluster.start()

    async def is_complete(self) -> bool:
        for number in range(len(self.servers)):
            if not await self.cluster.is_complete(number):
                return False
        replication = [await self.info(number, "replication") for number in range(len(self.servers))]
        primaries = [info for info in replication if info["role"] == "master"]
        return len(primaries) == SHARDS and all(int(info["connected_slaves"]) for info in primaries)

    async def primary(self, shard: int) -> int:
        for number in self._pair(shard):
            if number not in self._away and (await self.info(number, "replication"))["role"] == "master":
                return number
        raise LookupError(f"shard {shard} has no primary")

    async def primary_of(self, org: str) -> int:
        return await self.cluster.primary_of(slot_of(keys.shop(org).encode()))

    async def promote_replica(self, shard: int) -> None:
        await self.ask(await self.replica(shard), "CLUSTER", "FAILOVER")

    def faults(self, rng: Random, cut: Callable[[str], None]) -> dict[str, Fault]:
        return {
            **super().faults(rng, cut),
            "reshard": self._reshard,
            "rebalance": self._rebalance,
        }

    async def _reshard(self) -> None:
        """The slots of some partitions move to another primary, key by key, and stay there."""
        for _ in range(self.rng.randrange(1, 4)):
            slot = slot_of(keys.of_partition(self.rng.choice(keys.PARTITIONS), "").encode())
            source = await self.cluster.primary_of(slot)
            others = [number for shard in range(SHARDS) if (number := await self.primary(shard)) != source]
            await self.cluster.move_slot(slot, source=source, target=self.rng.choice(others))

    async def _rebalance(self) -> None:
        """`valkey-cli --cluster rebalance` moves some hundred slots to one primary, as many as the weights say."""
        heavy = await self.cluster.node_id(await self.primary(self._rebalances % SHARDS))
        self._rebalances += 1
        cli = Path(server_executable()).with_name("valkey-cli")
        command = [
            str(cli),
            *("--cluster", "rebalance", _address(self.servers[await self.primary(0)])),
            *("--cluster-weight", f"{heavy}={WEIGHT}", "--cluster-threshold", "1"),
        ]
        child = ChildProcess("rebalance", command, {}, self.logs / "rebalance.log")
        await child.start()
        assert await child.process.wait() == 0, "the rebalance failed"


def _address(server: ValkeyServer) -> str:
    return f"{server.host}:{server.port}"
