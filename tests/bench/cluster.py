"""What a cluster costs and what it is worth: CPU for each webhook, the price of WAIT, and how long a mishap is felt.

The first part sends webhooks as fast as they are acknowledged, in turns, to one server, to three shards, to three shards
with a replica each, and to the same with WAIT behind each batch (DURABILITY=replica); then at a fixed pace, for the times
of the acknowledgements. Two cores cannot show that three servers acknowledge more than one. So the figure is CPU for each
webhook, and the busiest server's share of it: that is what a larger machine divides.

The second part posts with DURABILITY=replica to a shop on each server, and kills a primary, stops one, replaces one as
planned, and kills a replica; with one replica of each primary, and with two. An outage is the longest time without an acknowledgement. Bars: 5 s after the kill of a primary, and the p99 of
the shops on the other servers at most 3 times that before.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.store.client import connect, keys
from service.store.encryption import KeyRing
from service.store.servers.cluster import slot_of
from service.store.shops import Shop, ShopRepository
from tests.bench.ingest import cpu_s, on_core
from tests.bench.load import Run, closed_loop, open_loop, requests
from tests.bench.report import percentile, report
from tests.bench.servers import web
from tests.chaos.poster import PostedWebhooks, Poster
from tests.support import canaries
from tests.support.cluster import SHARDS, SLOTS, ValkeyCluster
from tests.support.shop import KEY
from tests.support.valkey import ValkeyServer
from tests.support.wait import wait_until

MAX_OUTAGE_S: Final = 5.0
MAX_P99_OF_BEFORE: Final = 3.0
SHOPS_PER_SHARD: Final = 2
WARM_UP_WEBHOOKS: Final = 500
CONNECTIONS: Final = 16
MAX_ERRORS: Final = 0.02  # of a busy machine
STOPPED_S: Final = 6.0
AWAY_S: Final = 3.0  # without a replica
BEFORE_S: Final = 4.0  # of load before a mishap


def orgs_by_shard(count: int) -> list[list[OrgId]]:
    """Equally many shops for each shard, by shard."""
    shards: list[list[OrgId]] = [[] for _ in range(SHARDS)]
    for number in range(1_000_000_001, 1_000_001_000):
        org = OrgId(str(number))
        shard = slot_of(keys.shop(org).encode()) * SHARDS // SLOTS
        if len(shards[shard]) < count:
            shards[shard].append(org)
    return shards


@dataclass(frozen=True, slots=True)
class Store:
    """A store of one of the variants."""

    url: str
    queue_url: str
    servers: list[ValkeyServer]

    def server_cpu_s(self) -> list[float]:
        """Processor time of each server."""
        return [cpu_s(server.process.pid) for server in self.servers if server.process is not None]

    async def add_shops(self, orgs: Sequence[OrgId]) -> None:
        """Store the shops, paused: no worker runs."""
        async with connect(self.url, queue_url=self.queue_url, timeout_s=60) as redis:
            shops = ShopRepository(redis, KeyRing([KEY]))
            for org in orgs:
                await shops.add(Shop(org, f"Shop {org}", "omni", "http://127.0.0.1:1/com", "t" * 20))
                await shops.pause(org, reason="manual", by="bench")

    def environ(self, durability: str) -> dict[str, str]:
        """The settings of a web process."""
        return {"QUEUE_URL": self.queue_url, "DURABILITY": durability}


@contextmanager
def running_server(folder: Path, queue_url: str) -> Iterator[Store]:
    """One server that writes to disk before it answers."""
    server = ValkeyServer(
        folder, fsync="always", on_port=True, auto_aof_rewrite_percentage="0", aof_load_truncated="no"
    )
    server.start()
    try:
        yield Store(server.url, queue_url, [server])
    finally:
        server.kill()


@contextmanager
def running_shards(folder: Path, queue_url: str, *, replicas: int) -> Iterator[tuple[Store, ValkeyCluster]]:
    """Three shards of such servers."""
    cluster = ValkeyCluster(
        folder,
        fsync="always",
        replicas=replicas,
        auto_aof_rewrite_percentage="0",
        aof_load_truncated="no",
        min_replicas_to_write="0",
    )
    try:
        asyncio.run(cluster.start())
        yield Store(cluster.url, queue_url, cluster.servers), cluster
    finally:
        for server in cluster.servers:
            if server.process is not None and server.process.poll() is None:
                server.send_signal(signal.SIGCONT)
        cluster.kill()


# --- the cost


@dataclass(frozen=True, slots=True)
class Figures:
    """One variant in one round, for each webhook."""

    web_us: float
    servers_us: float
    busiest_us: float  # of the server that needed most
    per_s: float
    p50_ms: float  # at a fixed pace
    p99_ms: float


@dataclass(slots=True)
class Cost:
    """Measures the variants in turns. Each webhook is a new delivery."""

    orgs: list[OrgId]
    webhooks: int
    per_s: int
    sent: int = 0

    def measure(self, name: str, store: Store, durability: str) -> Figures:
        """Measure one variant after a warm-up, and print its figures."""
        with ExitStack() as stack:
            with on_core(0):
                environ = store.environ(durability)
                port, process = stack.enter_context(web(store.url, variant="ours", environ=environ))
            uvloop.run(_until_ready(port))
            self._require(
                uvloop.run(closed_loop(port, self._requests(WARM_UP_WEBHOOKS), connections=CONNECTIONS))
            )
            before_s, servers_before_s = cpu_s(process.pid), store.server_cpu_s()
            run = self._require(
                uvloop.run(closed_loop(port, self._requests(self.webhooks), connections=CONNECTIONS))
            )
            web_s = cpu_s(process.pid) - before_s
            servers_s = [
                after - before for after, before in zip(store.server_cpu_s(), servers_before_s, strict=True)
            ]
            paced = self._require(
                uvloop.run(open_loop(port, self._requests(5 * self.per_s), per_s=self.per_s))
            )
        count = len(run.durations_s) / 1e6
        figures = Figures(
            web_s / count,
            sum(servers_s) / count,
            max(servers_s) / count,
            run.per_s,
            1000 * percentile(paced.durations_s, 0.5),
            1000 * percentile(paced.durations_s, 0.99),
        )
        print(
            f"  {name:<20} web {figures.web_us:5.1f} us, servers {figures.servers_us:5.1f} us, busiest "
            f"{figures.busiest_us:5.1f} us for each  {figures.per_s:>7,.0f}/s  at {self.per_s}/s p50 "
            f"{figures.p50_ms:6.2f} ms, p99 {figures.p99_ms:6.2f} ms",
            flush=True,
        )
        return figures

    def _requests(self, count: int) -> list[bytes]:
        self.sent += count
        return list(requests(count, start=self.sent - count, orgs=self.orgs))

    def _require(self, run: Run) -> Run:
        if run.errors > MAX_ERRORS * len(run.durations_s):
            sys.exit(f"{run.errors} answers were not 200: the machine or its disk is busy")
        return run


async def _until_ready(port: int) -> None:
    """Wait until the web process has checked its store."""

    async def is_ready() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer[9:12] == b"200"

    await wait_until(is_ready, interval_s=0.2)


def measure_cost(*, rounds: int, webhooks: int, per_s: int) -> None:
    """Compare one server, shards, shards with replicas, and those with WAIT."""
    orgs = [org for shard in zip(*orgs_by_shard(SHOPS_PER_SHARD), strict=True) for org in shard]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("queue", "server", "shards", "replicas"):
            (folder / name).mkdir()
        with on_core(1):
            queue = ValkeyServer(folder / "queue")
            stack.callback(queue.kill)
            queue.start()
            server = stack.enter_context(running_server(folder / "server", queue.url))
            shards, _ = stack.enter_context(running_shards(folder / "shards", queue.url, replicas=0))
            replicas, _ = stack.enter_context(running_shards(folder / "replicas", queue.url, replicas=1))
            for store in (server, shards, replicas):
                asyncio.run(store.add_shops(orgs))
            cost = Cost(orgs, webhooks, per_s)
            variants = {
                "one server": (server, "fsync"),
                "three shards": (shards, "fsync"),
                "with replicas": (replicas, "fsync"),
                "with WAIT": (replicas, "replica"),
            }
            measured: list[dict[str, Figures]] = []
            for number in range(rounds):
                print(f"round {number + 1}", flush=True)
                order = list(variants.items())
                if number % 2:
                    order.reverse()
                measured.append({name: cost.measure(name, *variant) for name, variant in order})

    def ratio(name: str, of: str, figure: Callable[[Figures], float]) -> float:
        return statistics.median(figure(each[name]) / figure(each[of]) for each in measured)

    report(
        "three shards: web CPU for each webhook", ratio("three shards", "one server", _web), "of one server"
    )
    report("three shards: CPU of all servers", ratio("three shards", "one server", _servers), "of one server")
    report("three shards: CPU of the busiest", ratio("three shards", "one server", _busiest), "of one server")
    report("replicas: CPU of all servers", ratio("with replicas", "three shards", _servers), "of no replicas")
    report("WAIT: web CPU for each webhook", ratio("with WAIT", "with replicas", _web), "of without")
    report("WAIT: CPU of all servers", ratio("with WAIT", "with replicas", _servers), "of without")
    report("WAIT: acknowledgement p50", ratio("with WAIT", "with replicas", _p50), "of without")
    report("WAIT: acknowledgement p99", ratio("with WAIT", "with replicas", _p99), "of without")


def _web(figures: Figures) -> float:
    return figures.web_us


def _servers(figures: Figures) -> float:
    return figures.servers_us


def _busiest(figures: Figures) -> float:
    return figures.busiest_us


def _p50(figures: Figures) -> float:
    return figures.p50_ms


def _p99(figures: Figures) -> float:
    return figures.p99_ms


# --- the outages


@dataclass(frozen=True, slots=True)
class Outage:
    """What the shops felt of one mishap."""

    own_s: float  # the longest time without an acknowledgement of the shop on the server
    others_s: float  # of the shops on the other servers
    p99_of_before: float  # of the shops on the other servers


class Outages:
    """A cluster under load, and what happens to its first shard."""

    def __init__(self, cluster: ValkeyCluster, posters: Sequence[Poster], slot: int) -> None:
        self._cluster = cluster
        self._posters = posters  # the first one's shop is on the first shard
        self._slot = slot

    async def measure(self, mishap: Callable[[Outages], Awaitable[None]]) -> Outage:
        """Measure one mishap, and wait until the cluster is whole again."""
        await self._cluster.wait_until_complete()
        await wait_until(self._all_acknowledge)
        for poster in self._posters:
            poster.posted = PostedWebhooks()
        await asyncio.sleep(BEFORE_S)
        before = [duration for poster in self._posters[1:] for duration in poster.posted.durations_s]
        for poster in self._posters:
            poster.posted.durations_s = []
        since_s = time.monotonic()
        await mishap(self)
        await wait_until(self._all_acknowledge)
        until_s = time.monotonic()
        own, *others = (poster.posted for poster in self._posters)
        during = [duration for posted in others for duration in posted.durations_s]
        return Outage(
            own.longest_gap_s(since_s, until_s),
            max(posted.longest_gap_s(since_s, until_s) for posted in others),
            percentile(during, 0.99) / percentile(before, 0.99),
        )

    async def _all_acknowledge(self) -> bool:
        now = time.monotonic()
        await asyncio.sleep(0.3)
        return all(poster.posted.acknowledged_after(now) for poster in self._posters)

    async def kill(self) -> None:
        """kill -9 of the primary. It returns when it is replaced: alone, its replica cannot keep DURABILITY=replica."""
        number = await self._cluster.primary_of(self._slot)
        self._cluster.servers[number].kill()
        await self._until_replaced(number)
        self._cluster.servers[number].start()

    async def stop(self) -> None:
        """SIGSTOP of the primary for some seconds."""
        number = await self._cluster.primary_of(self._slot)
        self._cluster.servers[number].send_signal(signal.SIGSTOP)
        await asyncio.sleep(STOPPED_S)
        self._cluster.servers[number].send_signal(signal.SIGCONT)

    async def replace(self) -> None:
        """A planned failover."""
        number = await self._cluster.primary_of(self._slot)
        await self._cluster.ask((number + SHARDS) % len(self._cluster.servers), "CLUSTER", "FAILOVER")
        await self._until_replaced(number)

    async def kill_replica(self) -> None:
        """kill -9 of the replica, which returns after some seconds."""
        number = (await self._cluster.primary_of(self._slot) + SHARDS) % len(self._cluster.servers)
        self._cluster.servers[number].kill()
        await asyncio.sleep(AWAY_S)
        self._cluster.servers[number].start()

    async def _until_replaced(self, number: int) -> None:
        async def is_replaced() -> bool:
            try:
                return await self._cluster.primary_of(self._slot) != number
            except RedisError:
                return False

        await wait_until(is_replaced)


MISHAPS: Final = {
    "primary killed": Outages.kill,
    f"primary stopped for {STOPPED_S:g} s": Outages.stop,
    "planned failover": Outages.replace,
    f"a replica gone for {AWAY_S:g} s": Outages.kill_replica,
}


async def _measure_outages(
    cluster: ValkeyCluster, port: int, orgs: Sequence[OrgId], rounds: int
) -> dict[str, list[Outage]]:
    url = f"http://127.0.0.1:{port}/webhooks/haravan"
    posters = [Poster(url, org=org, per_s=100) for org in orgs]
    posting = [asyncio.create_task(poster.run()) for poster in posters]
    outages = Outages(cluster, posters, slot_of(keys.shop(orgs[0]).encode()))
    measured: dict[str, list[Outage]] = {name: [] for name in MISHAPS}
    for number in range(rounds):
        print(f"round {number + 1}", flush=True)
        for name, mishap in MISHAPS.items():
            outage = await outages.measure(mishap)
            measured[name].append(outage)
            print(
                f"  {name:<46} {outage.own_s:5.2f} s; other servers {outage.others_s:5.2f} s, p99 "
                f"{outage.p99_of_before:.1f} times that before",
                flush=True,
            )
    for poster in posters:
        poster.stop()
    await asyncio.gather(*posting)
    return measured


def measure_outages(*, rounds: int, replicas: int) -> bool:
    """How long the shops of a shard are without acknowledgements in each mishap, with so many replicas of each primary."""
    orgs = [shard[0] for shard in orgs_by_shard(1)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "queue").mkdir()
        queue = ValkeyServer(folder / "queue")
        stack.callback(queue.kill)
        queue.start()
        store, cluster = stack.enter_context(running_shards(folder, queue.url, replicas=replicas))
        asyncio.run(store.add_shops(orgs))
        environ = store.environ("replica") | {"HARAVAN_WEBHOOK_SECRETS": canaries.WEBHOOK_SECRET}
        port, _ = stack.enter_context(web(store.url, variant="ours", environ=environ))
        uvloop.run(_until_ready(port))
        measured = uvloop.run(_measure_outages(cluster, port, orgs, rounds))
    passes = True
    for name, outages in measured.items():
        is_kill = name == "primary killed"
        passes &= report(
            f"{replicas} replicas, {name}: outage, the longest",
            max(outage.own_s for outage in outages),
            "s",
            at_most=MAX_OUTAGE_S if is_kill else None,
        )
        passes &= report(
            f"{replicas} replicas, {name}: p99 of other servers",
            statistics.median(outage.p99_of_before for outage in outages),
            "of before",
            at_most=MAX_P99_OF_BEFORE if is_kill else None,
        )
    return passes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["cost", "outages"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--webhooks", type=int, default=20_000, help="of each variant in a round")
    parser.add_argument("--per-s", type=int, default=200, help="webhooks a second for the times")
    options = parser.parse_args()
    passes = True
    if options.only != "outages":
        measure_cost(rounds=options.rounds, webhooks=options.webhooks, per_s=options.per_s)
    if options.only != "cost":
        for replicas in (1, 2):
            passes &= measure_outages(rounds=options.rounds, replicas=replicas)
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
