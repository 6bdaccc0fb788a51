"""A whole system of real processes around a sandbox: two web processes, three workers, a store, and proxies between."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from deploy.local.wait import until
from deploy.sandbox import Sandbox, serve
from service.domain.customers.customer import OrgId
from service.domain.documents.parser import parse_rules
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos import canaries
from tests.chaos.children import Child, catches
from tests.chaos.load import TOPICS, Shopful
from tests.chaos.rules import RULES
from tests.chaos.shim import built
from tests.chaos.store import ChaosStore
from tests.chaos.witnessing import Witness
from tests.support.ports import free_port

START_WITHIN_S: Final = 120.0
STOP_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is."""

    shops: int = 3
    customers: int = 100  # in each shop
    leak_per_s: float = 200.0  # fifty times Haravan's, so that a run takes minutes and not days
    webs: int = 2
    workers: int = 3


@dataclass(slots=True)
class Stage:
    """The hands on everything."""

    size: Size
    folder: Path
    sandbox: Sandbox
    shops: list[Shopful]
    store: ChaosStore
    proxy: Child
    ports: dict[str, int]
    webs: list[Child]
    web_ports: list[int]
    workers: list[Child]
    registry: ShopRepository

    @property
    def children(self) -> list[Child]:
        return [*self.webs, *self.workers, self.proxy, self.store.child]

    @property
    def logs(self) -> list[Path]:
        return sorted((self.folder / "logs").glob("*.log"))

    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}/webhooks/haravan" for port in self.web_ports]

    async def ready(self, child: Child) -> bool:
        """Wait until a process that was just started can be worked with; False when it takes too long."""
        if child in self.webs:
            return await answers(self.web_ports[self.webs.index(child)], within_s=START_WITHIN_S)

        async def listens() -> bool:
            return catches(child.pid, signal.SIGUSR2)

        return await until(listens, within_s=START_WITHIN_S, every_s=0.05)

    def tell_proxy(self, command: str) -> None:
        """`cut NAME` or `hold NAME SECONDS`."""
        assert self.proxy.process.stdin is not None
        self.proxy.process.stdin.write(f"{command}\n".encode())


@asynccontextmanager
async def staged(folder: Path, size: Size, *, seed: int) -> AsyncIterator[Stage]:
    """Start everything and connect the shops; whatever happens, everything is ended afterwards."""
    (folder / "logs").mkdir(parents=True)
    sandbox = Sandbox(leak_per_s=size.leak_per_s)
    shops = [_shopful(sandbox, number, size, seed) for number in range(size.shops)]
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(serve(sandbox))
        stage = _built(folder, size, sandbox, shops)
        stack.push_async_callback(_ended, stage)
        await stage.store.start()
        stack.push_async_callback(stage.store.redis.aclose)
        await _start_proxy(stage, api.rpartition(":")[2])
        await _connect_shops(stage)
        for child in (*stage.webs, *stage.workers):
            child.environ = {**child.environ, **_environ(stage, child)}
            await child.start()
        assert all(await asyncio.gather(*(stage.ready(each) for each in (*stage.webs, *stage.workers))))
        for number, shop in enumerate(stage.shops):
            url = stage.urls()[number % len(stage.webs)]
            await shop.handle.subscribe(url, verify_token=canaries.VERIFY, topics=TOPICS)
        yield stage


def _shopful(sandbox: Sandbox, number: int, size: Size, seed: int) -> Shopful:
    handle = sandbox.add_shop(
        org=str(1_000_000_001 + number),
        token=f"{canaries.TOKEN}-{number}-0",
        secret=canaries.SECRET,
        seed=seed,
    )
    witness = Witness(handle.shop.deliveries)
    handle.shop.deliveries = witness
    witness.duplicate_rate, witness.reorder_rate = 0.1, 0.2
    witness.time_scale = 0.02  # Haravan's 10 s before the first retry are a fifth of a second
    shop = Shopful(handle, witness)
    dice = Random(seed + number)
    shop.populate(size.customers, seed + number, dice)
    bird = handle.create(
        first_name="Chim",
        last_name="Hoàng Yến",
        email=canaries.EMAIL,
        phone=canaries.PHONE,
        note=canaries.NOTE,
    )
    shop.ids.append(bird)
    shop.by_hand[bird], shop.earlier[bird] = set(), set()
    return shop


def _built(folder: Path, size: Size, sandbox: Sandbox, shops: list[Shopful]) -> Stage:
    logs = folder / "logs"
    store = ChaosStore(folder, shim=built(folder))
    ports = [free_port() for _ in range(size.webs)]
    proxy = Child("proxy", (), {}, logs / "proxy.log")
    webs = [
        Child(f"web{n}", [sys.executable, "-m", "service"], {"PORT": str(port)}, logs / f"web{n}.log")
        for n, port in enumerate(ports)
    ]
    workers = [
        Child(f"worker{n}", [sys.executable, "-m", "tests.chaos.worker"], {}, logs / f"worker{n}.log")
        for n in range(size.workers)
    ]
    registry = ShopRepository(store.redis, Cipher((canaries.KEY,)))
    return Stage(size, folder, sandbox, shops, store, proxy, {}, webs, ports, workers, registry)


def _environ(stage: Stage, child: Child) -> dict[str, str]:
    name = "web" if child in stage.webs else "worker"
    return {
        "REDIS_URL": f"redis://127.0.0.1:{stage.ports[name]}/0",
        "HARAVAN_WEBHOOK_SECRETS": canaries.SECRET,
        "HARAVAN_VERIFY_TOKEN": canaries.VERIFY,
        "SECRET_KEY": canaries.KEY,
        "OPS_TOKENS": f"chaos={canaries.OPS}",
        "CHAOS_LEAK_PER_S": str(stage.size.leak_per_s),
        "CHAOS_WITNESS": str(stage.folder / f"{child.name}.witness"),
    }


async def _start_proxy(stage: Stage, api_port: str) -> None:
    targets = [f"web={stage.store.socket}", f"worker={stage.store.socket}", f"api={api_port}"]
    stage.proxy.command = [sys.executable, "-m", "tests.chaos.proxy", *targets]
    await stage.proxy.start(stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert stage.proxy.process.stdout is not None
    stage.ports = json.loads(await asyncio.wait_for(stage.proxy.process.stdout.readline(), 60))


async def _connect_shops(stage: Stage) -> None:
    versions = Versions(stage.store.redis)
    for shop in stage.shops:
        org = OrgId(shop.handle.org)
        address = f"http://127.0.0.1:{stage.ports['api']}/com"
        await stage.registry.add(Shop(org, f"Cửa hàng {org}", "omni", address, shop.handle.token))
        await versions.publish(org, parse_rules(RULES), author="chaos", parent=0)


async def _ended(stage: Stage) -> None:
    for child in (*stage.webs, *stage.workers, stage.proxy, stage.store.child):
        await child.stop(within_s=STOP_WITHIN_S if child in stage.workers else 5)


async def answers(port: int, *, within_s: float) -> bool:
    """Wait until somebody listens there."""

    async def tried() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    return await until(tried, within_s=within_s, every_s=0.05)
