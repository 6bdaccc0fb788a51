"""`python -m tests.chaos.cluster`: how long shops wait when something happens to a server of a cluster.

A shop of the sandbox has its customers, its rules and a worker. A shop on each server gets webhooks at a steady rate,
whatever the answers. One after the other a primary is killed, hangs, is replaced as planned, and a slot is moved away and
back. For all faults at once, over a long time: `python -m tests.chaos --store cluster`.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import typer
import uvloop

from deploy.local.wait import until
from service.domain.customers.customer import OrgId
from service.store.client import keys
from service.store.client.connection import connect
from service.store.encryption import KeyRing
from service.store.servers.address import Endpoint
from service.store.servers.cluster import slot_of
from service.store.servers.connection import Connection, ConnectionOptions
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos.generations import GenerationWatch
from tests.chaos.mishaps import ORG, TIMEOUT_S, Episode, Servers, running
from tests.chaos.poster import PostedWebhooks, Poster
from tests.chaos.verdict import count_recorded
from tests.support import canaries
from tests.support.cluster import NODE_TIMEOUT_MS, SHARDS, SLOTS, ValkeyCluster
from tests.support.valkey import ValkeyServer

Mishap = Literal["killed", "stopped", "planned", "moved"]
MishapChoice = Enum("MishapChoice", {name: name for name in get_args(Mishap)})
MISHAPS: Final[tuple[Mishap, ...]] = ("killed", "stopped", "planned", "moved")
STOP_S: Final = 6.0
PER_S: Final = 20.0  # webhooks of each shop; more than the machine can do end in refusals alone
MAX_AWAY_S: Final = 5.0  # the bar for the shops of a killed primary
MAX_RATIO: Final = 3.0  # the bar for the p99 of all other shops, to their own before
SETTLED_S: Final = 1.0


@dataclass(slots=True)
class ClusterServers:
    """The servers of a cluster, and arq's Redis beside it."""

    cluster: ValkeyCluster
    queue: ValkeyServer

    @property
    def environ(self) -> dict[str, str]:
        """The settings that lead to them."""
        return {
            "REDIS_URL": self.cluster.url,
            "QUEUE_URL": self.queue.url,
            "DURABILITY": "replica",
        }

    async def end(self) -> None:
        """Kill all of them."""
        for server in self.cluster.servers:
            if server.process is not None and server.process.poll() is None:
                server.send_signal(signal.SIGCONT)
        self.cluster.kill()
        self.queue.kill()


@dataclass(slots=True)
class Effect:
    """What one mishap did. Times are in seconds, and p99 includes webhooks that were refused, which took forever."""

    mishap: Mishap
    own_away_s: (
        float  # the longest time without an acknowledgement of the shop on the server that it happened to
    )
    others_away_s: float  # of the shops on the other servers
    others_before_s: float  # the p99 of their webhooks that were due before it
    others_after_s: float  # of those that were due from its begin until all were acknowledged again

    @property
    def meets_bars(self) -> bool:
        """Whether a kill kept the bars of the design."""
        return self.own_away_s <= MAX_AWAY_S and self.others_after_s <= MAX_RATIO * self.others_before_s

    def __str__(self) -> str:
        return (
            f"{self.mishap}: {self.own_away_s:.1f} s without an acknowledgement, other servers {self.others_away_s:.1f} s, "
            f"their p99 {1000 * self.others_before_s:.1f} ms before and {1000 * self.others_after_s:.1f} ms after"
        )


@dataclass(slots=True)
class ClusterOutcome:
    """The result of a run."""

    acknowledged: int = 0
    lost: int = 0  # acknowledged, and not recorded
    wrong: int = 0  # customers with wrong tags at the end
    went_back: int = 0  # generations that are lower than a replica had confirmed
    effects: list[Effect] = field(default_factory=list)
    took_s: float = 0

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.wrong or self.went_back)

    def __str__(self) -> str:
        effects = "; ".join(map(str, self.effects))
        return (
            f"cluster: {self.acknowledged:,} acknowledged, {self.lost} acknowledged and lost, {self.wrong} customers wrong, "
            f"{self.went_back} generations went back; {effects}; {self.took_s:.1f} s"
        )


async def run_cluster(
    *,
    mishaps: tuple[Mishap, ...] = MISHAPS,
    seed: int = 1,
    seconds: float = 2.0,
    customers: int = 40,
    per_s: float = PER_S,
    replicas: int = 1,
    node_timeout_ms: int = NODE_TIMEOUT_MS,
) -> ClusterOutcome:
    """Load for some seconds before each mishap and at the end, then the verdict.

    A killed primary is started again when it was replaced; with several replicas only when all are acknowledged again.
    """
    started_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        start = partial(_start, folder, replicas, node_timeout_ms)
        async with running(folder, seed, customers, start) as episode:
            outcome = await _Run(episode, seconds, per_s).run(mishaps)
            outcome.took_s = time.monotonic() - started_s
            return outcome
    finally:
        shutil.rmtree(folder)


async def _start(folder: Path, replicas: int, node_timeout_ms: int) -> tuple[Servers, Any]:
    cluster = ValkeyCluster(
        folder,
        replicas=replicas,
        fsync="always",
        aof_load_truncated="no",
        min_replicas_to_write="1",
        cluster_node_timeout=str(node_timeout_ms),
    )
    (folder / "queue").mkdir()
    servers = ClusterServers(cluster, ValkeyServer(folder / "queue"))
    servers.queue.start()
    await cluster.start()
    return servers, connect(cluster.url, queue_url=servers.queue.url, timeout_s=30, patience_s=30)


class _Run:
    def __init__(self, episode: Episode, seconds: float, per_s: float) -> None:
        assert isinstance(episode.servers, ClusterServers)
        self._episode = episode
        self._cluster = episode.servers.cluster
        self._seconds = seconds
        self._per_s = per_s
        self._slot = slot_of(keys.shop(ORG).encode())
        self._posters: dict[OrgId, Poster] = {}
        self._outcome = ClusterOutcome()
        self._generations = GenerationWatch(self._connect_to_primary_of)

    async def run(self, mishaps: tuple[Mishap, ...]) -> ClusterOutcome:
        episode = self._episode
        await self._add_shops()
        posting = [asyncio.create_task(poster.run()) for poster in self._posters.values()]
        await until(self._are_known, within_s=TIMEOUT_S)
        for poster in self._posters.values():
            poster.posted = PostedWebhooks()
        watching = asyncio.create_task(self._generations.run([ORG, *self._posters]))
        await episode.buy(self._seconds)
        for mishap in mishaps:
            await self._measure(mishap)
        for poster in self._posters.values():
            poster.stop()
        await asyncio.gather(*posting)
        watching.cancel()
        await asyncio.wait([watching])
        assert await until(episode.is_ready, within_s=TIMEOUT_S), "no webhook is accepted"
        await episode.buy(self._seconds)
        await episode.deliveries.wait_idle()
        await until(episode.all_right, within_s=TIMEOUT_S)
        await episode.deliveries.wait_idle()  # the last writes have echoes
        await self._judge()
        return self._outcome

    async def _add_shops(self) -> None:
        """A paused shop on each server, on the slots beside that of the sandbox's shop."""
        shops = ShopRepository(self._episode.redis, KeyRing((canaries.SECRET_KEY,)))
        url = f"http://127.0.0.1:{self._episode.port}/webhooks/haravan"
        candidates = [ORG, *(OrgId(str(number)) for number in range(1_000_000_100, 1_000_000_400))]
        same = next(org for org in candidates[1:] if slot_of(keys.shop(org).encode()) == self._slot)
        by_server: dict[object, OrgId] = {self._owner(same): same}
        for org in candidates[1:]:
            by_server.setdefault(self._owner(org), org)
        assert len(by_server) == SHARDS
        for org in by_server.values():
            await shops.add(
                Shop(org, "Cửa hàng thử", "omni", f"{self._episode.api}/com", "of-no-shop-000000")
            )
            await shops.pause(org, reason="manual", by="chaos")
            self._posters[org] = Poster(url, org=org, per_s=self._per_s)
        self._same = same

    async def _are_known(self) -> bool:
        """Whether the web process knows the shops. Before, their webhooks are those of unknown shops."""
        redis = self._episode.redis
        return all([await redis.exists(keys.shop(org, "deliveries")) for org in self._posters])

    def _owner(self, org: OrgId) -> object:
        return self._episode.redis.router.endpoint_of(keys.shop(org))

    async def _measure(self, mishap: Mishap) -> None:
        before_s = time.monotonic()
        await self._episode.buy(self._seconds)
        since_s = time.monotonic()
        buying = asyncio.create_task(self._episode.buy(self._seconds))
        await _MISHAPS[mishap](self)
        await buying
        assert await until(self._all_acknowledge, within_s=TIMEOUT_S), f"{mishap}: no acknowledgements"
        await asyncio.sleep(SETTLED_S)
        until_s = time.monotonic()
        for server in self._cluster.servers:
            if server.process is not None and server.process.poll() is not None:
                server.launch()
        posted = {org: poster.posted for org, poster in self._posters.items()}
        own = posted.pop(self._same)
        self._outcome.effects.append(
            Effect(
                mishap,
                own.longest_gap_s(since_s, until_s),
                max(other.longest_gap_s(since_s, until_s) for other in posted.values()),
                max(other.p99_s(before_s, since_s) for other in posted.values()),
                max(other.p99_s(since_s, until_s) for other in posted.values()),
            )
        )
        await self._cluster.wait_until_complete()

    async def _all_acknowledge(self) -> bool:
        now = time.monotonic()
        await asyncio.sleep(SETTLED_S)
        return all(poster.posted.acknowledged_after(now) for poster in self._posters.values())

    async def _connect_to_primary_of(self, org: str) -> Connection:
        number = await self._cluster.primary_of(slot_of(keys.shop(org).encode()))
        endpoint = Endpoint("127.0.0.1", self._cluster.ports[number])
        return await Connection.open(endpoint, ConnectionOptions(2, 2))

    async def _judge(self) -> None:
        outcome, episode = self._outcome, self._episode
        acknowledged = episode.acknowledged()
        outcome.acknowledged = acknowledged.total()
        outcome.lost = (acknowledged - await count_recorded(episode.redis, ORG)).total()
        for org, poster in self._posters.items():
            outcome.acknowledged += len(poster.posted.acknowledged)
            outcome.lost += len(
                poster.posted.acknowledged.keys() - (await count_recorded(episode.redis, org)).keys()
            )
        outcome.wrong = len(episode.wrong())
        outcome.went_back = len(self._generations.went_back)

    async def _kill(self) -> None:
        number = await self._cluster.primary_of(self._slot)
        self._cluster.servers[number].kill()
        await self._until_replaced(number)
        if len(self._cluster.servers) == 2 * SHARDS:
            self._cluster.servers[number].launch()

    async def _stop(self) -> None:
        number = await self._cluster.primary_of(self._slot)
        self._cluster.servers[number].send_signal(signal.SIGSTOP)
        await asyncio.sleep(STOP_S)
        self._cluster.servers[number].send_signal(signal.SIGCONT)

    async def _fail_over(self) -> None:
        number = await self._cluster.primary_of(self._slot)
        replica = (number + SHARDS) % len(self._cluster.servers)
        await self._cluster.ask(replica, "CLUSTER", "FAILOVER")
        await self._until_replaced(number)

    async def _move(self) -> None:
        source = await self._cluster.primary_of(self._slot)
        target = await self._cluster.primary_of((self._slot + SLOTS // SHARDS) % SLOTS)
        await self._cluster.move_slot(self._slot, source=source, target=target)
        await asyncio.sleep(self._seconds / 2)
        await self._cluster.move_slot(self._slot, source=target, target=source)

    async def _until_replaced(self, number: int) -> None:
        async def is_replaced() -> bool:
            return await self._cluster.primary_of(self._slot) != number

        assert await until(is_replaced, within_s=TIMEOUT_S)


_MISHAPS: Final[dict[Mishap, Callable[[_Run], Awaitable[None]]]] = {
    "killed": _Run._kill,
    "stopped": _Run._stop,
    "planned": _Run._fail_over,
    "moved": _Run._move,
}


def main(
    *,
    mishap: Annotated[list[MishapChoice] | None, typer.Option(help="All of them if there is none")] = None,
    seconds: Annotated[float, typer.Option(help="Of load before each of them")] = 10.0,
    per_s: Annotated[float, typer.Option(help="Webhooks of the shop on each server")] = PER_S,
    replicas: Annotated[int, typer.Option(help="Of each primary")] = 1,
    node_timeout_ms: int = 2_000,
    customers: int = 20,
    seed: int = 1,
) -> None:
    """Do it to a cluster under load, and print how long its shops waited."""
    mishaps: tuple[Mishap, ...] = tuple(choice.value for choice in mishap or ()) or MISHAPS
    outcome = uvloop.run(
        run_cluster(
            mishaps=mishaps,
            seed=seed,
            seconds=seconds,
            customers=customers,
            per_s=per_s,
            replicas=replicas,
            node_timeout_ms=node_timeout_ms,
        )
    )
    typer.echo(str(outcome))
    killed = [effect for effect in outcome.effects if effect.mishap == "killed"]
    passed = outcome.is_right and all(effect.meets_bars for effect in killed)
    typer.echo("pass" if passed else "fail")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    typer.run(main)
