"""What a drain with one tag write costs: round trips to the store, and CPU of this process.

The CPU includes the simulated Haravan, which answers in this process. So the client's own share is measured by itself, as
script calls one by one and 32 in one pipeline. Bar: 16 round trips.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from service.store.client import keys
from service.store.client.connection import connect
from service.store.client.scripts import load_script
from tests.bench.report import report
from tests.support.valkey import valkey
from tests.workers.stage import ORG, VIP, staged

DRAINS = 100
CALLS = 4_000
BATCH = 32
ROUNDS = 5
BAR_ROUND_TRIPS = 16.0


async def _reads(redis: Any) -> int:
    return int((await redis.info("stats"))["total_reads_processed"])


async def _drains(redis: Any) -> tuple[float, float]:
    """The round trips and the CPU in ms of one drain."""
    with structlog.testing.capture_logs():
        return await _staged_drains(redis)


async def _staged_drains(redis: Any) -> tuple[float, float]:
    async with staged(redis, rules=VIP) as stage:
        cpu_s, reads = [], []
        for number in range(DRAINS):
            customer = stage.haravan.create(total_spent=60_000_000, tags="")
            await stage.announce(customer)
            stage.clock.advance(60)
            before, started = await _reads(redis), time.process_time()
            await stage.drain(ORG)
            cpu_s.append(time.process_time() - started)
            reads.append(await _reads(redis) - before - 1)  # the question itself is one
            if number == 0:  # it loads the scripts and compiles the rules
                cpu_s.clear()
                reads.clear()
    return statistics.median(reads), 1000 * statistics.median(cpu_s)


async def _cpu_us(work: Callable[[], Awaitable[object]], calls: int) -> float:
    """The CPU of one call in microseconds: the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        await work()
        rounds.append((time.process_time() - started) / calls * 1e6)
    return statistics.median(rounds)


async def _calls(redis: Any) -> tuple[float, float]:
    """The client's CPU for a script call, one by one and in a pipeline."""
    script = load_script("queue", "backlog")

    async def one_by_one() -> None:
        for _ in range(CALLS):
            await script(redis, ORG)

    async def in_pipelines() -> None:
        for _ in range(CALLS // BATCH):
            async with redis.pipeline(transaction=False) as pipe:
                for _ in range(BATCH):
                    pipe.evalsha(script.sha, 2, *keys.of_script(ORG))
                await pipe.execute()

    await script(redis, ORG)
    return await _cpu_us(one_by_one, CALLS), await _cpu_us(in_pipelines, CALLS)


async def main() -> bool:
    """Run on a server of its own."""
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        redis = connect(url, timeout_s=60)
        try:
            round_trips, cpu_ms = await _drains(redis)
            alone_us, batched_us = await _calls(redis)
        finally:
            await redis.aclose()
    passed = report("round trips of a drain with one tag write", round_trips, "", at_most=BAR_ROUND_TRIPS)
    report("CPU of such a drain, with the simulated Haravan", cpu_ms, "ms")
    report("client CPU of a script call, one by one", alone_us, "µs")
    report(f"client CPU of a script call, {BATCH} in one pipeline", batched_us, "µs")
    return passed


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
