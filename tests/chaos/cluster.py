"""`python -m tests.chaos --store cluster`: six servers, and what happens to one of them while webhooks arrive.

A shop of the sandbox has its customers, its rules and a worker. A shop on each server gets webhooks as fast as they are
acknowledged. One after the other a primary is killed, hangs, is replaced as planned, and a slot is moved away and back.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from deploy.local.wait import until
from service.domain.customers.customer import OrgId
from service.store.client import keys
from service.store.client.connection import connect
from service.store.encryption import KeyRing
from service.store.servers.cluster import slot_of
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos.mishaps import ORG, TIMEOUT_S, Episode, Servers, running
from tests.chaos.poster import PostedWebhooks, Poster
from tests.chaos.verdict import count_recorded
from tests.support import canaries
from tests.support.cluster import SHARDS, SLOTS, ValkeyCluster
from tests.support.valkey import ValkeyServer

Mishap = Literal["killed", "stopped", "planned", "moved"]
MISHAPS: Final[tuple[Mishap, ...]] = ("killed", "stopped", "planned", "moved")
STOP_S: Final = 6.0
POST_PAUSE_S: Final = 0.01
SETTLED_S: Final = 1.0


@dataclass(slots=True)
class ClusterServers:
    """The servers of a cluster, and arq's Redis beside it."""

    cluster: ValkeyCluster
    queue: ValkeyServer
    durability: str = "replica"

    @property
    def environ(self) -> dict[str, str]:
        """The settings that lead to them."""
        return {
            "REDIS_URL": self.cluster.url,
            "QUEUE_URL": self.queue.url,
            "DURABILITY": self.durability,
        }

    async def end(self) -> None:
        """Kill all of them."""
        for server in self.cluster.servers:
            if server.process is not None and server.process.poll() is None:
                server.send_signal(signal.SIGCONT)
        self.cluster.kill()
        self.queue.kill()


@dataclass(slots=True)
class Gaps:
    """The longest time without an acknowledgement in one mishap, in seconds."""

    mishap: Mishap
    own_s: float  # of the shop on the server that it happened to
    others_s: float  # of the shops on the other servers


@dataclass(slots=True)
class ClusterOutcome:
    """The result of a run."""

    acknowledged: int = 0
    lost: int = 0  # acknowledged, and not recorded
    wrong: int = 0  # customers with wrong tags at the end
    went_back: int = 0  # generations that are lower than an earlier look saw
    gaps: list[Gaps] = field(default_factory=list)
    took_s: float = 0

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.wrong or self.went_back)

    def __str__(self) -> str:
        gaps = "; ".join(
            f"{gap.mishap}: {gap.own_s:.1f} s without an acknowledgement, other servers {gap.others_s:.1f} s"
            for gap in self.gaps
        )
        return (
            f"cluster: {self.acknowledged:,} acknowledged, {self.lost} acknowledged and lost, {self.wrong} customers wrong, "
            f"{self.went_back} generations went back; {gaps}; {self.took_s:.1f} s"
        )


async def run_cluster(
    *,
    mishaps: tuple[Mishap, ...] = MISHAPS,
    seed: int = 1,
    seconds: float = 2.0,
    customers: int = 40,
    durability: str = "replica",
    keep: bool = False,
) -> ClusterOutcome:
    """Load for some seconds around each mishap, then the verdict. `keep` leaves the folder."""
    started_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        start = partial(_start, folder, durability)
        async with running(folder, seed, customers, start) as episode:
            outcome = await _Run(episode, seconds).run(mishaps)
            outcome.took_s = time.monotonic() - started_s
            return outcome
    finally:
        if not keep:
            shutil.rmtree(folder)


async def _start(folder: Path, durability: str) -> tuple[Servers, Any]:
    cluster = ValkeyCluster(folder, fsync="always", aof_load_truncated="no", min_replicas_to_write="0")
    (folder / "queue").mkdir()
    servers = ClusterServers(cluster, ValkeyServer(folder / "queue"), durability)
    servers.queue.start()
    await cluster.start()
    return servers, connect(cluster.url, queue_url=servers.queue.url, timeout_s=30, patience_s=30)


class _Run:
    def __init__(self, episode: Episode, seconds: float) -> None:
        assert isinstance(episode.servers, ClusterServers)
        self._episode = episode
        self._cluster = episode.servers.cluster
        self._seconds = seconds
        self._slot = slot_of(keys.shop(ORG).encode())
        self._posters: dict[OrgId, Poster] = {}
        self._outcome = ClusterOutcome()
        self._generations: dict[OrgId, int] = {}

    async def run(self, mishaps: tuple[Mishap, ...]) -> ClusterOutcome:
        episode = self._episode
        await self._add_shops()
        posting = [asyncio.create_task(poster.run()) for poster in self._posters.values()]
        await until(self._are_known, within_s=TIMEOUT_S)
        for poster in self._posters.values():
            poster.posted = PostedWebhooks()
        watching = asyncio.create_task(self._watch_generations())
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
            self._posters[org] = Poster(url, org=org, connections=2, pause_s=POST_PAUSE_S)
        self._same = same

    async def _are_known(self) -> bool:
        """Whether the web process knows the shops. Before, their webhooks are those of unknown shops."""
        redis = self._episode.redis
        return all([await redis.exists(keys.shop(org, "deliveries")) for org in self._posters])

    def _owner(self, org: OrgId) -> object:
        return self._episode.redis.router.endpoint_of(keys.shop(org))

    async def _measure(self, mishap: Mishap) -> None:
        since_s = time.monotonic()
        buying = asyncio.create_task(self._episode.buy(self._seconds))
        await _MISHAPS[mishap](self)
        await buying
        assert await until(self._all_acknowledge, within_s=TIMEOUT_S), f"{mishap}: no acknowledgements"
        await asyncio.sleep(SETTLED_S)
        until_s = time.monotonic()
        gaps = {org: poster.posted.longest_gap_s(since_s, until_s) for org, poster in self._posters.items()}
        own_s = gaps.pop(self._same)
        self._outcome.gaps.append(Gaps(mishap, own_s, max(gaps.values())))
        await self._cluster.wait_until_complete()

    async def _all_acknowledge(self) -> bool:
        now = time.monotonic()
        await asyncio.sleep(0.2)
        return all(poster.posted.acknowledged_after(now) for poster in self._posters.values())

    async def _watch_generations(self) -> None:
        while True:
            for org in (ORG, *self._posters):
                stored = await self._episode.redis.get(keys.shop(org, "generation_seq"))
                generation = int(stored or 0)
                self._outcome.went_back += generation < self._generations.get(org, 0)
                self._generations[org] = generation
            await asyncio.sleep(0.02)

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

    async def _kill(self) -> None:
        number = await self._cluster.primary_of(self._slot)
        await asyncio.sleep(self._seconds / 2)
        self._cluster.servers[number].kill()
        await self._until_replaced(number)
        self._cluster.servers[number].start()

    async def _stop(self) -> None:
        number = await self._cluster.primary_of(self._slot)
        await asyncio.sleep(self._seconds / 2)
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
