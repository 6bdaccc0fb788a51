"""The whole system in one event loop: sandbox, web process's server, worker, real Valkey, all over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from arq.connections import ArqRedis

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve
from service.__main__ import uvicorn_config
from service.domain.customers.customer import OrgId
from service.domain.documents.parser import parse_rules
from service.settings import Settings, read_settings
from service.store.client import keys
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from workers.main import WorkerProcess

ORG = OrgId("1000000001")
KEY = "k" * 32
LEAK_PER_S = 400.0  # a hundred times Haravan's, so that a test's day takes a second
RULES = """
version: 1
rules:
  - id: vip
    name: {vi: Khách VIP, en: VIP customer}
    tag: VIP
    when: {field: total_spent, op: at_least, value: 10_000_000}
tiers:
  - id: hang
    name: {vi: Hạng thành viên, en: Membership tier}
    levels:
      - {tag: Vàng, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Bạc, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""


@dataclass(slots=True)
class System:
    """The hands on a running system."""

    redis: ArqRedis
    sandbox: Sandbox
    haravan: ShopHandle
    shops: ShopRepository
    versions: Versions
    settings: Settings
    url: str
    clock: Clock  # the workers'

    def key(self, name: str) -> str:
        return keys.shop(ORG, name)

    async def publish(self, text: str = RULES) -> None:
        parent = await self.versions.live_number(ORG)
        await self.versions.publish(ORG, parse_rules(text), author="test", parent=parent)

    async def settled(self) -> None:
        """Wait until every webhook is delivered and no customer is marked."""
        async with asyncio.timeout(300):
            while True:
                await self.haravan.deliveries.wait_idle()
                if await self.marked() == 0 and not self.haravan.deliveries.pending:
                    return
                await asyncio.sleep(0.02)

    async def marked(self) -> int:
        """Who waits for a turn. Whoever is due in some minutes is right by now, and only looked at once more."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in ("ready:live", "ready:bulk", "planned:live", "planned:bulk"):
                pipe.zcard(self.key(name))
            pipe.zcount(self.key("delayed"), "-inf", int(self.clock() * 1000) + 300_000)
            return sum(await pipe.execute())

    def tags(self) -> dict[int, set[str]]:
        return {each: self.haravan.tags(each) for each in self.haravan.ids()}


def wanted(total_spent: float) -> set[str]:
    """What RULES give, written down once more by hand."""
    if total_spent >= 50_000_000:
        return {"VIP", "Vàng"}
    return {"VIP", "Bạc"} if total_spent >= 10_000_000 else set()


def all_wanted(haravan: ShopHandle) -> dict[int, set[str]]:
    return {each: wanted(haravan.customer(each)["total_spent"]) for each in haravan.ids()}


@asynccontextmanager
async def running(
    redis: ArqRedis, redis_url: str, *, dialect: str = "omni", workers: int = 1, echo: bool = True
) -> AsyncIterator[System]:
    """Start everything, connect the shop, subscribe its webhooks, publish the rules."""
    sandbox, clock = Sandbox(echo=echo, leak_per_s=LEAK_PER_S), Clock()
    haravan = sandbox.add_shop(org=ORG, token="flow-token", secret="flow-secret")
    haravan.deliveries.timeout_s = 60  # a busy machine must not look like a web process that does not answer
    environ = {
        "REDIS_URL": redis_url,
        "HARAVAN_WEBHOOK_SECRETS": "flow-secret",
        "HARAVAN_VERIFY_TOKEN": "flow-verify",
        "SECRET_KEY": KEY,
        "OPS_TOKENS": "flow=ops-token-0123456789",
        "DURABILITY": "everysec",
    }
    settings = read_settings(environ)
    shops, versions = ShopRepository(redis, Cipher((KEY,))), Versions(redis)
    async with serve(sandbox) as api_url:
        path = "admin" if dialect == "admin" else "com"
        await shops.add(
            Shop(
                ORG,
                "Cửa hàng thử",
                "admin" if dialect == "admin" else "omni",
                f"{api_url}/{path}",
                haravan.token,
            )
        )
        async with _web(settings) as url, _workers(settings, workers, clock):
            system = System(redis, sandbox, haravan, shops, versions, settings, url, clock)
            await system.publish()
            await haravan.subscribe(f"{url}/webhooks/haravan", verify_token="flow-verify")
            yield system


@asynccontextmanager
async def _web(settings: Settings) -> AsyncIterator[str]:
    listening = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves Nagle's delay on
    listening.bind(("127.0.0.1", 0))
    how = uvicorn_config(settings)
    how.loop = "none"
    server = uvicorn.Server(how)
    serving = asyncio.create_task(server.serve([listening]))
    await _until(lambda: server.started or serving.done())
    if serving.done():
        await serving
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


@asynccontextmanager
async def _workers(settings: Settings, count: int, clock: Clock) -> AsyncIterator[None]:
    processes = [
        WorkerProcess(
            settings,
            leak_per_s=LEAK_PER_S,
            clock_ms=lambda: int(clock() * 1000),
            jitter=lambda: 0.01,
            sweep_interval_s=0.2,
            poll_s=0.02,
            uninstall_interval_s=0.2,
        )
        for _ in range(count)
    ]
    tasks = [asyncio.create_task(process.run()) for process in processes]
    try:
        yield
    finally:
        for process in processes:
            process.stop()
        await asyncio.gather(*tasks)


async def _until(happens: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not happens():  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.005)
