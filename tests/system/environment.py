"""The whole system in one event loop: sandbox, web server, workers and a real Valkey, all over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve
from service.domain.documents import parse_rules
from service.settings import Settings, read_settings
from service.store.client import RedisClient, keys
from service.store.encryption import KeyRing
from service.store.queue import count_due
from service.store.rules import Versions
from service.store.shops import Dialect, FirstLook, Shop, ShopRepository, save_first_look
from tests.support.shop import APP_SECRET, KEY, ORG, VERIFY_TOKEN, web_environ
from tests.support.wait import wait_until
from tests.support.web_server import serving
from workers.main import WorkerProcess

LEAK_PER_S: Final = 400.0  # a hundred times Haravan's, so that a test's day takes a second
SOON_MS: Final = 300_000
RULES: Final = """
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
    """A running system with one shop."""

    redis: RedisClient
    sandbox: Sandbox
    haravan: ShopHandle
    shops: ShopRepository
    versions: Versions
    settings: Settings
    environ: Mapping[str, str]  # of every process
    url: str  # of the web process
    clock: Clock  # of the sandbox and the workers

    def key(self, name: str) -> str:
        """A key of the shop."""
        return keys.shop(ORG, name)

    async def publish(self, text: str = RULES) -> None:
        """Publish these rules over the live ones."""
        parent = await self.versions.live_number(ORG)
        await self.versions.publish(ORG, parse_rules(text), author="test", parent=parent)

    async def settled(self, *, timeout_s: float = 300) -> None:
        """Wait until every webhook is delivered and no customer waits for a drain.

        A customer that is delayed for longer is already right: the drain only looks at it once more.
        """

        async def is_settled() -> bool:
            await self.haravan.deliveries.wait_idle()
            due = await count_due(self.redis, ORG, until_ms=int(self.clock() * 1000) + SOON_MS)
            return not due and not self.haravan.deliveries.pending

        await wait_until(is_settled, timeout_s=timeout_s)

    def tags(self) -> dict[int, set[str]]:
        """The tags of every customer."""
        return {customer: self.haravan.tags(customer) for customer in self.haravan.ids()}


def expected_tags(total_spent: float) -> set[str]:
    """The tags that RULES give, written by hand a second time."""
    if total_spent >= 50_000_000:
        return {"VIP", "Vàng"}
    return {"VIP", "Bạc"} if total_spent >= 10_000_000 else set()


def all_expected_tags(haravan: ShopHandle) -> dict[int, set[str]]:
    """The tags that RULES give to every customer."""
    return {customer: expected_tags(haravan.customer(customer)["total_spent"]) for customer in haravan.ids()}


@asynccontextmanager
async def running(
    redis: RedisClient,
    redis_url: str,
    queue_url: str = "",
    *,
    dialect: Dialect = "omni",
    workers: int = 1,
    echo: bool = True,
    first_look: FirstLook = "complete",
    rules: str = RULES,
    environ: Mapping[str, str] = MappingProxyType({}),
    nightly_interval_s: float = 60.0,
) -> AsyncIterator[System]:
    """Start everything, connect the shop, subscribe its webhooks, publish the rules, if any."""
    clock = Clock()
    sandbox = Sandbox(clock=clock, echo=echo, leak_per_s=LEAK_PER_S)
    haravan = sandbox.add_shop(org=ORG, token="system-token", secret=APP_SECRET)
    haravan.deliveries.timeout_s = 60  # a busy machine must not look like a web process that does not answer
    shops, versions = ShopRepository(redis, KeyRing((KEY,))), Versions(redis)
    async with serve(sandbox) as api:
        api_url = f"{api}/{'admin' if dialect == 'admin' else 'com'}"
        await shops.add(Shop(ORG, "Cửa hàng thử", dialect, api_url, haravan.token))
        await save_first_look(redis, ORG, first_look)
        environ = {
            **web_environ(redis_url, queue_url),
            "HARAVAN_SUBSCRIBE_URL": f"{api}/api/subscribe",
            **environ,
        }
        settings = read_settings(environ)
        async with (
            serving(settings) as server,
            working(settings, workers, clock, nightly_interval_s=nightly_interval_s),
        ):
            url = f"http://127.0.0.1:{server.port}"
            system = System(redis, sandbox, haravan, shops, versions, settings, environ, url, clock)
            if rules:
                await system.publish(rules)
            await haravan.subscribe(f"{url}/webhooks/haravan", verify_token=VERIFY_TOKEN)
            yield system


@asynccontextmanager
async def working(
    settings: Settings, count: int, clock: Clock, *, nightly_interval_s: float = 60.0
) -> AsyncIterator[None]:
    """Worker processes in this event loop."""
    processes = [
        WorkerProcess(
            settings,
            leak_per_s=LEAK_PER_S,
            clock_ms=lambda: int(clock() * 1000),
            jitter=lambda: 0.01,
            sweep_interval_s=0.2,
            poll_s=0.02,
            uninstall_interval_s=0.2,
            nightly_interval_s=nightly_interval_s,
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
