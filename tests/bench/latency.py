"""Webhook to tag call on an idle system whose sandbox answers immediately. Bar: p95 at most 0.12 s."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

import uvloop

from tests.bench.report import percentile, report
from tests.bench.system import running

BAR_S = 0.12


async def measure(events: int) -> list[float]:
    """Seconds from an order to the call that tags its customer, one order at a time."""
    durations: list[float] = []
    rng = random.Random(1)
    async with running(leak_per_s=40.0) as system:  # a fuller bucket would make the drain linger
        await asyncio.sleep(1)
        for _ in range(events):
            customer = system.haravan.create(first_name="Ánh")
            await system.haravan.deliveries.wait_idle()
            await asyncio.sleep(0.3 + rng.random() * 0.1)  # at any phase of the poll
            started = time.perf_counter()
            written = asyncio.Event()
            system.haravan.on_call("POST tags", written.set, when="before")
            system.haravan.order(customer, 12_000_000)
            async with asyncio.timeout(60):
                await written.wait()
            durations.append(time.perf_counter() - started)
    return durations


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100)
    durations = uvloop.run(measure(parser.parse_args().events))
    report("webhook to tag call, idle: p50", percentile(durations, 0.5), "s")
    report("webhook to tag call, idle: slowest", max(durations), "s")
    passes = report("webhook to tag call, idle: p95", percentile(durations, 0.95), "s", at_most=BAR_S)
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
