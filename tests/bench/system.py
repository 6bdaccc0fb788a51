"""The whole system for a bench: durable Valkey, web and worker processes of their own, the sandbox in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from arq.connections import ArqRedis

from deploy.sandbox import Sandbox, ShopHandle, serve
from service.domain.customers.customer import OrgId
from service.domain.documents.parser import parse_rules
from service.store.client import keys
from service.store.client.connection import connect
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.bench.load import SECRET
from tests.bench.servers import ROOT, valkey, wait_for
from tests.support.ports import free_port

KEY = "k" * 32
VERIFY = "bench-verify"
VIP = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""


@dataclass(slots=True)
class System:
    """A running system with its shops."""

    redis: ArqRedis
    sandbox: Sandbox
    shops: list[ShopHandle]
    port: int  # of the web process
    web_pid: int
    worker_pids: list[int]

    @property
    def haravan(self) -> ShopHandle:
        return self.shops[0]

    def key(self, name: str, org: str | None = None) -> str:
        return keys.shop(OrgId(org or self.haravan.org), name)

    async def waiting(self, org: str | None = None) -> int:
        """Customers that are marked and not in the midst of being written."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in ("ready:live", "ready:bulk", "delayed"):
                pipe.zcard(self.key(name, org))
            return sum(await pipe.execute())


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
    """Start everything; each shop has the rules and, if wanted, sends its webhooks."""
    sandbox = Sandbox(echo=echo, leak_per_s=leak_per_s)
    handles = [
        sandbox.add_shop(org=str(1_000_000_001 + n), token=f"bench-token-{n}", secret=SECRET)
        for n in range(shops)
    ]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(valkey(Path(folder)))
        redis = connect(url)
        async with serve(sandbox) as api:
            await _connect_shops(redis, handles, api, rules)
            environ = _environ(url)
            port, web_pid = stack.enter_context(_web(environ))
            pids = [stack.enter_context(_worker(environ, leak_per_s)) for _ in range(workers)]
            if subscribe:
                for handle in handles:
                    await handle.subscribe(f"http://127.0.0.1:{port}/webhooks/haravan", verify_token=VERIFY)
            try:
                yield System(redis, sandbox, handles, port, web_pid, pids)
            finally:
                await redis.aclose()


async def _connect_shops(redis: ArqRedis, handles: Sequence[ShopHandle], api: str, rules: str) -> None:
    known, versions, document = ShopRepository(redis, Cipher((KEY,))), Versions(redis), parse_rules(rules)
    for handle in handles:
        org = OrgId(handle.org)
        await known.add(Shop(org, f"Shop {org}", "omni", f"{api}/com", handle.token))
        await versions.publish(org, document, author="bench", parent=0)


def _environ(url: str) -> dict[str, str]:
    return {
        **os.environ,
        "REDIS_URL": url,
        "HARAVAN_WEBHOOK_SECRETS": SECRET,
        "HARAVAN_VERIFY_TOKEN": VERIFY,
        "SECRET_KEY": KEY,
    }


@contextmanager
def _web(environ: dict[str, str]) -> Iterator[tuple[int, int]]:
    port = free_port()
    with _process(["-m", "service"], {**environ, "PORT": str(port)}) as pid:
        wait_for(port)
        yield port, pid


@contextmanager
def _worker(environ: dict[str, str], leak_per_s: float) -> Iterator[int]:
    with _process(["-m", "tests.bench.worker"], {**environ, "BENCH_LEAK_PER_S": str(leak_per_s)}) as pid:
        yield pid


@contextmanager
def _process(arguments: Sequence[str], environ: dict[str, str]) -> Iterator[int]:
    log = os.environ.get("BENCH_LOG", os.devnull)
    with Path(log).open("a") as where:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *arguments], env=environ, cwd=ROOT, stderr=where, stdout=where
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
