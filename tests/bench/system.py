"""The whole system for a benchmark: durable Valkey, web and worker processes, and the sandbox in this process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.sandbox import Sandbox, ShopHandle, serve
from service.domain.customers import OrgId
from service.domain.documents import parse_rules
from service.store.client import RedisClient, connect, keys
from service.store.encryption import KeyRing
from service.store.queue import load_backlogs
from service.store.rules import Versions
from service.store.shops import Shop, ShopRepository, save_first_look
from tests.bench.load import SECRET
from tests.bench.servers import valkey
from tests.support.ports import free_port
from tests.support.processes import python_process
from tests.support.shop import KEY, VERIFY_TOKEN
from tests.support.wait import wait_for_port, wait_until

VIP = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""


@dataclass(slots=True)
class System:
    """A running system with its shops."""

    redis: RedisClient
    sandbox: Sandbox
    shops: list[ShopHandle]
    port: int  # of the web process
    web_pid: int
    worker_pids: list[int]

    @property
    def haravan(self) -> ShopHandle:
        """The first shop."""
        return self.shops[0]

    def key(self, name: str) -> str:
        """A key of the first shop."""
        return keys.shop(OrgId(self.haravan.org), name)

    async def count_waiting(self, org: str | None = None) -> int:
        """Customers that wait for their evaluation. Those with a plan are evaluated."""
        [backlog] = await load_backlogs(self.redis, [OrgId(org or self.haravan.org)])
        return sum(backlog.customers[state] for state in ("live", "bulk", "delayed"))


@asynccontextmanager
async def running(
    *,
    shops: int = 1,
    workers: int = 1,
    leak_per_s: float = 4.0,
    echo: bool = True,
    rules: str = VIP,
    subscribe: bool = True,
) -> AsyncIterator[System]:
    """Start everything. Each shop has the rules and, if `subscribe`, sends its webhooks.

    The processes log to the file that BENCH_LOG names.
    """
    sandbox = Sandbox(echo=echo, leak_per_s=leak_per_s)
    handles = [
        sandbox.add_shop(org=str(1_000_000_001 + number), token=f"bench-token-{number}", secret=SECRET)
        for number in range(shops)
    ]
    log = Path(os.environ.get("BENCH_LOG", os.devnull))
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(valkey(Path(folder)))
        redis = connect(url)
        async with serve(sandbox) as api:
            await _connect_shops(redis, handles, api, rules)
            port = free_port()
            environ = {
                "REDIS_URL": url,
                "HARAVAN_WEBHOOK_SECRETS": SECRET,
                "HARAVAN_VERIFY_TOKEN": VERIFY_TOKEN,
                "SECRET_KEY": KEY,
                "PORT": str(port),
                "BENCH_LEAK_PER_S": str(leak_per_s),
            }
            web = stack.enter_context(python_process("-m", "service", environ=environ, log=log))
            await wait_for_port(port)
            pids = [
                stack.enter_context(python_process("-m", "tests.bench.worker", environ=environ, log=log)).pid
                for _ in range(workers)
            ]
            counters = keys.of_partitions("counters")
            await wait_until(lambda: redis.exists(*counters))  # a worker is at work
            if subscribe:
                for handle in handles:
                    address = f"http://127.0.0.1:{port}/webhooks/haravan"
                    await handle.subscribe(address, verify_token=VERIFY_TOKEN)
            try:
                yield System(redis, sandbox, handles, port, web.pid, pids)
            finally:
                await redis.aclose()


async def _connect_shops(redis: RedisClient, handles: Sequence[ShopHandle], api: str, rules: str) -> None:
    shops, versions, document = ShopRepository(redis, KeyRing((KEY,))), Versions(redis), parse_rules(rules)
    for handle in handles:
        org = OrgId(handle.org)
        await shops.add(Shop(org, f"Shop {org}", "omni", f"{api}/com", handle.token))
        await save_first_look(redis, org, "complete")
        await versions.publish(org, document, author="bench", parent=0)
