"""`python -m tests.chaos --store KIND`: what happens to the store itself, with real processes in front of it.

`full`: another shop floods it until webhooks are refused, and is removed. `emptied`: it is swapped for an empty server.
`promoted`: a replica without an append-only file is promoted, and gets one later.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, Protocol

from deploy.local.valkey import wait_until_ready
from deploy.local.wait import until
from deploy.sandbox import Sandbox, ShopHandle, serve
from service.domain.customers.customer import OrgId
from service.store.client import RedisClient, keys
from service.store.client.connection import connect
from service.store.encryption import KeyRing
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos.poster import ORG as FLOODING_ORG
from tests.chaos.poster import Poster
from tests.chaos.processes import ChildProcess
from tests.chaos.recorded_deliveries import RecordedDeliveries
from tests.chaos.verdict import count_recorded
from tests.support import canaries
from tests.support.ports import free_port
from tests.support.valkey import Fsync, valkey_command
from tests.support.wait import wait_for_port, wait_until

Kind = Literal["full", "emptied", "promoted"]
KINDS: Final[tuple[Kind, ...]] = ("full", "emptied", "promoted")
ORG: Final = OrgId("1000000002")
MEBIBYTE: Final = 1024 * 1024
SIZE: Final = 24 * MEBIBYTE  # of the store that fills
TIMEOUT_S: Final = 120.0
ANSWERS_S: Final = 0.5  # what the killed server had acknowledged reaches the sender
# Only additions: an emptied store has lost which tags were ours, so nothing may depend on it.
RULES: Final = """
version: 1
rules:
  - id: vip
    name: {vi: Khách VIP, en: VIP customer}
    tag: VIP
    when: {field: total_spent, op: at_least, value: 10_000_000}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one kind."""

    kind: Kind
    acknowledged: int  # webhooks of the shop
    refused: int
    lost: int  # acknowledged by the server that holds the data at the end, and not in it
    acknowledged_by_unfit: int  # while the server was not fit, or had no room
    wrong: int  # customers with wrong tags at the end
    alerts: frozenset[str]
    took_s: float

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.wrong or self.acknowledged_by_unfit)

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.acknowledged:,} acknowledged, {self.refused:,} refused, {self.lost} acknowledged and "
            f"lost, {self.acknowledged_by_unfit} acknowledged by an unfit server, {self.wrong} customers wrong, alerts: "
            f"{', '.join(sorted(self.alerts)) or 'none'}; {self.took_s:.1f} s"
        )


class Servers(Protocol):
    """The servers of an episode."""

    @property
    def environ(self) -> dict[str, str]:
        """The settings that lead to them."""
        ...

    async def end(self) -> None:
        """Kill all of them."""
        ...


@dataclass(slots=True)
class Stores:
    """Servers that take one another's place at one address: a symbolic link to the socket of one of them."""

    folder: Path
    link: Path
    children: list[ChildProcess] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """The settings that lead to the server that is in use."""
        return {"REDIS_URL": f"unix://{self.link}"}

    async def end(self) -> None:
        """Kill all of them."""
        for child in self.children:
            await child.kill()

    async def start(self, name: str, *, fsync: Fsync | None = "always", **options: str) -> RedisClient:
        """Start a server, and return a client of it."""
        folder, socket = self.folder / name, self.folder / f"{name}.sock"
        folder.mkdir()
        command = valkey_command(
            folder, socket=socket, port=0, fsync=fsync, aof_load_truncated="no", **options
        )
        child = ChildProcess(name, command, {}, self.folder / "logs" / f"{name}.log")
        self.children.append(child)
        await child.start()
        await wait_until_ready(f"unix://{socket}", within_s=60)
        return connect(f"unix://{socket}", timeout_s=60)

    def use(self, name: str) -> None:
        """Let the address lead to this server. Connections to the last one stay until it is killed."""
        new = self.link.with_suffix(".new")
        new.symlink_to(self.folder / f"{name}.sock")
        new.replace(self.link)


@dataclass(slots=True)
class Episode:
    """A web process, a worker, a shop of the environment with customers that buy, and the stores."""

    folder: Path
    servers: Servers
    redis: Any  # of the server that is in use
    haravan: ShopHandle
    deliveries: RecordedDeliveries
    customers: list[int]
    api: str
    port: int
    rng: Random
    children: list[ChildProcess] = field(default_factory=list)
    total: Counter[str] = field(default_factory=Counter)

    @property
    def stores(self) -> Stores:
        """The servers, of an episode that swaps them."""
        assert isinstance(self.servers, Stores)
        return self.servers

    async def buy(self, seconds: float) -> None:
        """Let customers buy for some time, each with one webhook."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.haravan.order(self.rng.choice(self.customers), self.rng.choice([300_000, 11_000_000]))
            await asyncio.sleep(0.02)

    def acknowledged(self) -> Counter[str]:
        """Acknowledged webhooks by signature."""
        counts: Counter[str] = Counter()
        for (_, signature), count in self.deliveries.acknowledged.items():
            counts[signature] += count
        return counts

    async def is_ready(self) -> bool:
        """Whether the web process acknowledges."""
        before = self.acknowledged().total()
        self.haravan.resend(self.rng.choice(self.customers))
        return await until(lambda: self._more_than(before), within_s=1.0)

    async def _more_than(self, before: int) -> bool:
        return self.acknowledged().total() > before

    def wrong(self) -> list[int]:
        """The customers whose tags are not what the rule says."""
        return [
            customer
            for customer in self.customers
            if ("VIP" in self.haravan.tags(customer))
            != (self.haravan.customer(customer)["total_spent"] >= 10_000_000)
        ]

    async def all_right(self) -> bool:
        return not self.wrong()

    def alerts(self) -> frozenset[str]:
        """The kinds of the alerts in the logs."""
        text = "".join(child.log.read_text("utf-8", "replace") for child in self.children)
        kinds = ("store_unfit", "store_emptied", "store_rewound", "store_full", "shop_over_quota")
        return frozenset(kind for kind in kinds if f'"kind": "{kind}"' in text)


@asynccontextmanager
async def running(
    folder: Path, seed: int, customers: int, start: Callable[[], Awaitable[tuple[Servers, Any]]]
) -> AsyncIterator[Episode]:
    """A running episode. `start` starts its servers, and returns them with a client."""
    (folder / "logs").mkdir()
    rules = folder / "rules.yaml"
    rules.write_text(RULES, encoding="utf-8")
    sandbox, rng = Sandbox(leak_per_s=200.0), Random(seed)
    haravan = sandbox.add_shop(
        org=ORG, token=canaries.ACCESS_TOKEN, secret=canaries.WEBHOOK_SECRET, seed=seed
    )
    deliveries = haravan.shop.deliveries = RecordedDeliveries(haravan.shop.deliveries)
    deliveries.time_scale = 0.02
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(serve(sandbox))
        servers, redis = await start()
        port = free_port()
        ids = [haravan.create(total_spent=0) for _ in range(customers)]
        episode = Episode(folder, servers, redis, haravan, deliveries, ids, api, port, rng)
        stack.push_async_callback(_stop, episode)
        await _start_processes(episode, rules)
        await haravan.subscribe(
            f"http://127.0.0.1:{port}/webhooks/haravan", verify_token=canaries.VERIFY_TOKEN
        )
        assert await until(episode.is_ready, within_s=TIMEOUT_S)
        yield episode


async def _start_stores(folder: Path) -> tuple[Servers, Any]:
    stores = Stores(folder, folder / "store.sock")
    redis = await stores.start("first")
    stores.use("first")
    return stores, redis


async def _start_processes(episode: Episode, rules: Path) -> None:
    environ = {
        **episode.servers.environ,
        "PORT": str(episode.port),
        "HOST": "127.0.0.1",
        "HARAVAN_API_URL": f"{episode.api}/com",
        "HARAVAN_ORG_ID": ORG,
        "HARAVAN_ACCESS_TOKEN": canaries.ACCESS_TOKEN,
        "HARAVAN_WEBHOOK_SECRETS": canaries.WEBHOOK_SECRET,
        "HARAVAN_VERIFY_TOKEN": canaries.VERIFY_TOKEN,
        "SECRET_KEY": canaries.SECRET_KEY,
        "RULES_FILE": str(rules),
        "CHAOS_LEAK_PER_S": "200",
        "CHAOS_NIGHTLY_INTERVAL_S": "1",
        "CHAOS_TRACE": str(episode.folder / "worker.trace"),
    }
    for name, module in (("web", "service"), ("worker", "tests.chaos.worker")):
        log = episode.folder / "logs" / f"{name}.log"
        episode.children.append(ChildProcess(name, [sys.executable, "-m", module], environ, log))
    await asyncio.gather(*(child.start() for child in episode.children))
    await wait_for_port(episode.port, timeout_s=TIMEOUT_S)
    await wait_until(
        lambda: episode.redis.exists(keys.shop(ORG, "live_version")), timeout_s=TIMEOUT_S, interval_s=0.1
    )


async def _stop(episode: Episode) -> None:
    await asyncio.gather(*(child.stop(timeout_s=20) for child in episode.children))
    await episode.redis.aclose()
    await episode.servers.end()


async def run_mishap(
    kind: Kind, *, seed: int = 1, seconds: float = 2.0, customers: int = 60, keep: bool = False
) -> Outcome:
    """Run one kind: load for some seconds before and after it, then the verdict. `keep` leaves the folder."""
    started_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        async with running(folder, seed, customers, partial(_start_stores, folder)) as episode:
            await episode.buy(seconds)
            earlier, by_unfit = await MISHAPS[kind](episode)
            assert await until(episode.is_ready, within_s=TIMEOUT_S), f"{kind}: no webhook is accepted"
            await episode.buy(seconds)
            await episode.deliveries.wait_idle()
            await until(episode.all_right, within_s=TIMEOUT_S)
            await episode.deliveries.wait_idle()  # the last writes have echoes
            acknowledged = episode.acknowledged()
            recorded = await count_recorded(episode.redis, ORG)
            lost = acknowledged - earlier - recorded
            return Outcome(
                kind,
                acknowledged.total(),
                episode.deliveries.refused.total(),
                lost.total(),
                by_unfit,
                len(episode.wrong()),
                episode.alerts(),
                time.monotonic() - started_s,
            )
    finally:
        if not keep:
            shutil.rmtree(folder)


async def _fill(episode: Episode) -> tuple[Counter[str], int]:
    """Another shop floods the store, with the app's secret, and is removed."""
    redis = episode.redis
    registry = ShopRepository(redis, KeyRing((canaries.SECRET_KEY,)))
    flooding = OrgId(FLOODING_ORG)
    await registry.add(Shop(flooding, "Cửa hàng lũ", "omni", f"{episode.api}/com", "of-no-shop-000000"))
    used = (await redis.info("memory"))["used_memory"]
    await redis.setrange("filler", int(0.9 * SIZE - used - MEBIBYTE), "x")
    await redis.config_set("maxmemory", str(SIZE))
    poster = Poster(f"http://127.0.0.1:{episode.port}/webhooks/haravan", connections=8)
    posting = asyncio.create_task(poster.run())

    async def is_full() -> bool:
        return poster.posted.refused[503] > 20

    assert await until(is_full, within_s=TIMEOUT_S)
    await episode.buy(1.0)  # refused, and sent again later
    poster.stop()
    await posting
    await registry.pause(flooding, reason="manual", by="chaos")
    await registry.remove(flooding, erase=True)
    return Counter(), 0


async def _empty(episode: Episode) -> tuple[Counter[str], int]:
    """Kill the server and start an empty one at its address, while customers buy."""
    first = episode.stores.children[0]
    buying = asyncio.create_task(episode.buy(1.5))
    await asyncio.sleep(0.5)
    second = await episode.stores.start("second")
    await first.kill()
    await asyncio.sleep(ANSWERS_S)
    earlier = episode.acknowledged()
    episode.stores.use("second")
    await buying
    await _replace_client(episode, second)
    return earlier, 0


async def _promote(episode: Episode) -> tuple[Counter[str], int]:
    """Promote a replica that writes nothing to disk. It is not fit until a person gives it an append-only file."""
    first = episode.stores.children[0]
    primary_port = free_port()
    await episode.redis.config_set("port", str(primary_port))
    replica: Any = await episode.stores.start("second", fsync=None, repl_diskless_sync_delay="0")
    await replica.replicaof("127.0.0.1", str(primary_port))

    async def is_in_sync() -> bool:
        return bool((await replica.info("replication")).get("master_link_status") == "up")

    await wait_until(is_in_sync)
    await first.kill()
    await asyncio.sleep(ANSWERS_S)
    earlier = episode.acknowledged()
    await replica.replicaof("NO", "ONE")
    episode.stores.use("second")
    await episode.buy(2.5)  # long enough for the alert
    by_unfit = (episode.acknowledged() - earlier).total()
    await replica.config_set("appendfsync", "always")
    await replica.config_set("appendonly", "yes")
    await _replace_client(episode, replica)
    return earlier, by_unfit


async def _replace_client(episode: Episode, client: Any) -> None:
    await episode.redis.aclose()
    episode.redis = client


MISHAPS: Final[dict[Kind, Callable[[Episode], Any]]] = {
    "full": _fill,
    "emptied": _empty,
    "promoted": _promote,
}
