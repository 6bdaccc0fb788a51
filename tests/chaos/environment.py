"""A whole system of real processes around a sandbox: two web processes, three workers, a store, and proxies between."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Literal

from deploy.local.wait import until
from deploy.sandbox import Sandbox, serve
from service.domain.customers.customer import OrgId
from service.domain.documents.parser import parse_rules
from service.store.encryption.keyring import KeyRing
from service.store.rules import Versions
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos.cluster_store import ClusterStore
from tests.chaos.crowd import Crowd
from tests.chaos.load import TOPICS, ShopUnderLoad
from tests.chaos.network import Network
from tests.chaos.processes import ChildProcess, catches
from tests.chaos.recorded_deliveries import RecordedDeliveries
from tests.chaos.replicated import Durability
from tests.chaos.rules import RULES
from tests.chaos.sentinel_store import SentinelStore
from tests.chaos.shim import build_shim
from tests.chaos.store import ChaosStore
from tests.support import canaries
from tests.support.ports import free_port
from tests.support.wait import accepts

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 60.0


AnyStore = ChaosStore | ClusterStore | SentinelStore
StoreKind = Literal["single", "cluster", "sentinel"]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is."""

    shops: int = 3
    customers: int = 100  # in each shop
    leak_per_s: float = 200.0  # fifty times Haravan's, so that a run takes minutes and not days
    webs: int = 2
    workers: int = 3
    store: StoreKind = "single"
    crowd_events: int = 0  # webhooks of paused shops, beside those of the others
    durability: Durability = "replica"  # of a cluster and Sentinel; one server has `fsync`


@dataclass(slots=True)
class Environment:
    """Every part of a running system."""

    size: Size
    folder: Path
    sandbox: Sandbox
    shops: list[ShopUnderLoad]
    store: AnyStore
    proxy: ChildProcess
    ports: dict[str, int]
    webs: list[ChildProcess]
    web_ports: list[int]
    workers: list[ChildProcess]
    network: Network
    crowd: Crowd = field(init=False)

    def __post_init__(self) -> None:
        self.crowd = Crowd(self.size.crowd_events, self.urls, Random(0))

    @property
    def registry(self) -> ShopRepository:
        """The shops as the store has them."""
        return ShopRepository(self.store.redis, KeyRing((canaries.SECRET_KEY,)))

    @property
    def children(self) -> list[ChildProcess]:
        return [*self.webs, *self.workers, self.proxy]

    @property
    def logs(self) -> list[Path]:
        return sorted((self.folder / "logs").glob("*.log"))

    def urls(self) -> list[str]:
        return [
            f"http://{self.network.address(number)}:{port}/webhooks/haravan"
            for number, port in enumerate(self.web_ports)
        ]

    async def wait_until_ready(self, child: ChildProcess) -> bool:
        """Wait until a web process or worker that was just started does its work. False after the timeout."""
        if child in self.webs:
            number = self.webs.index(child)
            port, host = self.web_ports[number], self.network.address(number)
            return await until(lambda: accepts(port, host), within_s=START_TIMEOUT_S, every_s=0.05)

        async def has_handlers() -> bool:
            return catches(child.pid, signal.SIGUSR2)

        return await until(has_handlers, within_s=START_TIMEOUT_S, every_s=0.05)

    def command_proxy(self, command: str) -> None:
        """`cut NAME` or `hold NAME SECONDS`."""
        assert self.proxy.process.stdin is not None
        self.proxy.process.stdin.write(f"{command}\n".encode())


@asynccontextmanager
async def running(
    folder: Path, size: Size, *, seed: int, network: Network | None = None
) -> AsyncIterator[Environment]:
    """Start everything and connect the shops. At the end every process is stopped."""
    (folder / "logs").mkdir(parents=True)
    sandbox = Sandbox(leak_per_s=size.leak_per_s)
    shops = [_add_shop(sandbox, number, size, seed) for number in range(size.shops)]
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(serve(sandbox))
        environment = _build(folder, size, sandbox, shops, network or Network())
        stack.push_async_callback(_stop_all, environment)
        await _start_proxy(environment, api.rpartition(":")[2])
        await environment.store.start()
        environment.store.connect()
        stack.push_async_callback(environment.store.redis.aclose)
        await _connect_shops(environment)
        await environment.crowd.connect(environment.registry)
        for child in (*environment.webs, *environment.workers):
            child.environ = {**child.environ, **_environ(environment, child)}
            await child.start()
        assert all(
            await asyncio.gather(
                *(environment.wait_until_ready(child) for child in (*environment.webs, *environment.workers))
            )
        )
        for number, shop in enumerate(environment.shops):
            url = environment.urls()[number % len(environment.webs)]
            await shop.handle.subscribe(url, verify_token=canaries.VERIFY_TOKEN, topics=TOPICS)
        orgs = [shop.handle.org for shop in environment.shops]
        environment.store.watch([*orgs, *environment.crowd.orgs])
        yield environment


def _add_shop(sandbox: Sandbox, number: int, size: Size, seed: int) -> ShopUnderLoad:
    handle = sandbox.add_shop(
        org=str(1_000_000_001 + number),
        token=f"{canaries.ACCESS_TOKEN}-{number}-0",
        secret=canaries.WEBHOOK_SECRET,
        seed=seed,
    )
    deliveries = RecordedDeliveries(handle.shop.deliveries)
    handle.shop.deliveries = deliveries
    deliveries.duplicate_rate, deliveries.reorder_rate = 0.1, 0.2
    deliveries.time_scale = 0.02  # Haravan's 10 s before the first retry are a fifth of a second
    shop = ShopUnderLoad(handle, deliveries)
    rng = Random(seed + number)
    shop.populate(size.customers, seed + number, rng)
    canary = handle.create(
        first_name="Chim",
        last_name="Hoàng Yến",
        email=canaries.EMAIL,
        phone=canaries.PHONE,
        note=canaries.NOTE,
    )
    shop.ids.append(canary)
    shop.by_hand[canary], shop.given_before[canary] = set(), set()
    return shop


def _build(
    folder: Path, size: Size, sandbox: Sandbox, shops: list[ShopUnderLoad], network: Network
) -> Environment:
    logs = folder / "logs"
    store = _build_store(folder, size, network)
    ports = [free_port() for _ in range(size.webs)]
    proxy = ChildProcess("proxy", (), {}, logs / "proxy.log")
    webs = [
        ChildProcess(
            f"web{n}",
            [*network.prefix(n), sys.executable, "-m", "service"],
            {"PORT": str(port), "HOST": network.address(n)},
            logs / f"web{n}.log",
        )
        for n, port in enumerate(ports)
    ]
    workers = [
        ChildProcess(
            f"worker{n}",
            [*network.prefix(n), sys.executable, "-m", "tests.chaos.worker"],
            {},
            logs / f"worker{n}.log",
        )
        for n in range(size.workers)
    ]
    return Environment(size, folder, sandbox, shops, store, proxy, {}, webs, ports, workers, network)


def _build_store(folder: Path, size: Size, network: Network) -> AnyStore:
    if size.store == "single":
        return ChaosStore(folder, shim=build_shim(folder))
    kind = ClusterStore if size.store == "cluster" else SentinelStore
    return kind(folder, durability=size.durability, network=network)


def _environ(environment: Environment, child: ChildProcess) -> dict[str, str]:
    name = "web" if child in environment.webs else "worker"
    return {
        **environment.store.environ(environment.ports, name),
        "HARAVAN_WEBHOOK_SECRETS": canaries.WEBHOOK_SECRET,
        "HARAVAN_VERIFY_TOKEN": canaries.VERIFY_TOKEN,
        "SECRET_KEY": canaries.SECRET_KEY,
        "OPS_TOKENS": f"chaos={canaries.OPS_TOKEN}",
        "CHAOS_LEAK_PER_S": str(environment.size.leak_per_s),
        "CHAOS_TRACE": str(environment.folder / f"{child.name}.trace"),
    }


async def _start_proxy(environment: Environment, api_port: str) -> None:
    targets = [*environment.store.proxy_targets(), f"api={api_port}@{environment.network.gateway}:0"]
    environment.proxy.command = [sys.executable, "-m", "tests.chaos.proxy", *targets]
    await environment.proxy.start(stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert environment.proxy.process.stdout is not None
    environment.ports = json.loads(await asyncio.wait_for(environment.proxy.process.stdout.readline(), 60))


async def _connect_shops(environment: Environment) -> None:
    versions = Versions(environment.store.redis)
    for shop in environment.shops:
        org = OrgId(shop.handle.org)
        address = f"http://{environment.network.gateway}:{environment.ports['api']}/com"
        await environment.registry.add(Shop(org, f"Cửa hàng {org}", "omni", address, shop.handle.token))
        await versions.publish(org, parse_rules(RULES), author="chaos", parent=0)


async def _stop_all(environment: Environment) -> None:
    for child in (*environment.webs, *environment.workers):
        await child.stop(timeout_s=STOP_TIMEOUT_S if child in environment.workers else 5)
    await environment.store.stop()
    await environment.proxy.stop(timeout_s=5)
