"""Webhook to tag call on an idle system, the sandbox answering at once (design.md, Numbers): p95 at most 0.12 s."""

from __future__ import annotations

import asyncio
import random
import sys
import time

import uvloop

from tests.bench.load import percentile
from tests.bench.system import running

EVENTS = 100
BAR_S = 0.12


async def measure() -> list[float]:
    """Seconds from an order to the call that tags its customer, one order at a time."""
    took: list[float] = []
    dice = random.Random(1)
    async with running(leak_per_s=40.0) as system:  # a fuller bucket would make the drain wait for company
        await asyncio.sleep(1)
        for _ in range(EVENTS):
            customer = system.haravan.create(first_name="Ánh")
            await system.haravan.deliveries.wait_idle()
            await asyncio.sleep(0.3 + dice.random() * 0.1)  # at any phase of the poll
            began = time.perf_counter()
            written = asyncio.Event()
            system.haravan.on_call("POST tags", written.set, when="before")
            system.haravan.order(customer, 12_000_000)
            async with asyncio.timeout(10):
                await written.wait()
            took.append(time.perf_counter() - began)
    return took


def main() -> int:
    took = uvloop.run(measure())
    p50, p95 = percentile(took, 0.5), percentile(took, 0.95)
    good = p95 <= BAR_S
    print(
        f"webhook to tag call, idle: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms"
    )
    print(f"p95 {p95:.3f} s  bar {BAR_S} s  {'pass' if good else 'FAIL'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
