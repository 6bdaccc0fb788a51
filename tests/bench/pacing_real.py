"""The same bar on a real clock: processes with the real client against the sandbox, two minutes a case.

Without `--lane` it runs eight cases in 17 minutes. Each process keeps four calls waiting. Bar: 99 % of the leak used and no 429.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess

from deploy.sandbox import Sandbox, ShopHandle, serve
from service.domain.customers.customer import OrgId
from service.errors import HaravanError
from service.store.client.connection import connect
from service.store.queue.dirty import Lane
from service.store.queue.rate_limiter import RateLimiter
from tests.bench.pacing import CALLS_EACH, LEAK, ORG, PROCESSES, SHARE_BAR, own_store
from workers.haravan.client import Haravan, open_session
from workers.haravan.rate_limit import WaitingPermits


@dataclass(frozen=True)
class Options:
    lane: Lane
    latency: float = 0.1
    shared: bool = False
    killed: bool = False
    seconds: int = 120


CASES = (
    Options("bulk", 0.0),
    Options("bulk"),
    Options("bulk", shared=True),
    Options("bulk", killed=True),
    Options("bulk", 0.8, shared=True, killed=True),
    Options("live"),
    Options("live", shared=True),
    Options("live", 0.8, killed=True),
)


def work(redis_url: str, url: str, lane: Lane) -> None:
    """One worker process, which calls without end."""
    asyncio.run(_work(redis_url, url, lane))


async def _work(redis_url: str, url: str, lane: Lane) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    # if the benchmark is killed, its callers would go on without end
    asyncio.get_running_loop().add_reader(parent.sentinel, os._exit, 1)
    redis = connect(redis_url)
    pacer = WaitingPermits(RateLimiter(redis), OrgId(ORG), lane=lane)
    async with open_session() as session:
        shop = Haravan(session, org=ORG, dialect="omni", address=f"{url}/com", token="token-1")

        async def caller() -> None:
            while True:
                try:
                    await shop.perform(shop.dialect.count(), pacer)
                except HaravanError as exc:
                    print(f"  {exc}", flush=True)

        await asyncio.gather(*(caller() for _ in range(CALLS_EACH)))


async def disturb(shop: ShopHandle, options: Options, foreign: list[int]) -> None:
    """The merchant's other app: one call a second, in bursts of up to 15."""
    while options.shared:
        size = random.randint(1, 15)
        shop.consume_quota(size)
        foreign.append(size)
        await asyncio.sleep(size * random.uniform(0.5, 1.5))


async def main(options: Options) -> int:
    context = multiprocessing.get_context("spawn")
    sandbox = Sandbox()
    shop = sandbox.add_shop(org=ORG)
    shop.faults.latency_s = options.latency
    foreign: list[int] = []
    async with own_store() as redis, serve(sandbox) as url:
        redis_url = f"unix://{redis.connection_pool.connection_kwargs['path']}"

        def start() -> BaseProcess:
            process = context.Process(target=work, args=(redis_url, url, options.lane), daemon=True)
            process.start()
            return process

        processes = [start() for _ in range(PROCESSES)]
        try:
            while shop.calls.count() == 0:  # noqa: ASYNC110  # in another process
                await asyncio.sleep(0.01)
            started = time.monotonic()
            other = asyncio.create_task(disturb(shop, options, foreign))
            for _ in range(options.seconds // 10):
                await asyncio.sleep(10)
                if options.killed:
                    processes.pop(0).kill()
                    processes.append(start())
            other.cancel()
        finally:
            for process in processes:
                process.kill()
        return verdict(shop, options, foreign=sum(foreign), elapsed_s=time.monotonic() - started)


def verdict(shop: ShopHandle, options: Options, *, foreign: int, elapsed_s: float) -> int:
    """Print the figures; 0 if they pass. Calls that are no longer in the bucket have leaked."""
    shop.bucket.header(shop.shop.clock())
    calls, refused = shop.calls.count(status=200), shop.calls.count(status=429)
    leaked = calls + foreign - shop.bucket.level
    share = leaked / (LEAK * elapsed_s)
    passed = share >= SHARE_BAR and refused == 0
    print(
        f"{options.lane} {options.latency * 1000:.0f} ms{' shared' * options.shared}{' killed' * options.killed}: "
        f"leak {share:.2%} (bar {SHARE_BAR:.0%}), 429 {refused} (bar 0), calls {calls}, other app {foreign}: "
        f"{'pass' if passed else 'FAIL'}",
        flush=True,
    )
    return 0 if passed else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument(
        "--lane", choices=["live", "bulk"], help="run one case, which the other options describe"
    )
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--killed", action="store_true")
    options = parser.parse_args()
    cases = (
        [Options(**vars(options))]
        if options.lane
        else [replace(case, seconds=options.seconds) for case in CASES]
    )
    sys.exit(max(asyncio.run(main(case)) for case in cases))
