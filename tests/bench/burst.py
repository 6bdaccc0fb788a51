"""A burst at Haravan's own pace: 50,000 webhooks for 10,000 customers in 60 s (design.md, Numbers).

All of them are to be evaluated within 60 s of the last, nothing lost. Half of the customers cross the
threshold in the course of it, so that reading and writing compete for the same four calls a second.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time

import uvloop

from tests.bench.system import System, running

CUSTOMERS = 10_000
WEBHOOKS = 50_000
SPAN_S = 60.0
BAR_S = 60.0


async def send(system: System, ids: list[int]) -> None:
    """Every customer is touched five times, in a random order, evenly over the span."""
    order = ids * (WEBHOOKS // len(ids))
    random.Random(1).shuffle(order)
    began = time.perf_counter()
    for number, customer in enumerate(order):
        system.haravan.edit(customer, total_spent=1_000_000 + number * 400)
        if number % 50 == 49:
            due = began + SPAN_S * number / len(order)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
    await system.haravan.deliveries.settled()


async def measure() -> tuple[float, int, int]:
    """Seconds from the last webhook until all are evaluated; calls; webhooks that were not answered 200."""
    async with running(workers=1) as system:
        ids = [system.haravan.create(total_spent=1) for _ in range(CUSTOMERS)]
        system.haravan.deliveries.clear()
        await send(system, ids)
        ended = time.perf_counter()
        shown = 0.0
        while left := await system.waiting():
            since = time.perf_counter() - ended
            if since >= shown:
                print(f"  {since:5.1f} s after the last: {left} customers to be evaluated", flush=True)
                shown += 5
            if since > 10 * BAR_S:
                break
            await asyncio.sleep(0.2)
        took = time.perf_counter() - ended
        refused = sum(1 for sent in system.haravan.deliveries.log if sent.status != 200)
        throttled = system.haravan.calls.count(status=429)
        print(f"  calls {system.haravan.calls.by_endpoint()}, {throttled} answered 429")
        snapshots = int(await system.redis.hlen(system.key("snapshots")))
        planned = int(await system.redis.zcard(system.key("planned:live")))
        print(f"  snapshots {snapshots}, still to be written {planned}")
        return took, throttled, refused


def main() -> int:
    took, throttled, refused = uvloop.run(measure())
    good = took <= BAR_S and not refused and not throttled
    print(
        f"evaluated {took:.1f} s after the last  bar {BAR_S:.0f} s  {'pass' if good else 'FAIL'} ({refused} not 200)"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
