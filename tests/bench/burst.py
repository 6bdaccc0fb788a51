"""A burst at Haravan's own rate limit: 50,000 webhooks for 10,000 customers in 60 s.

Bar: all of them are evaluated within 60 s of the last, and nothing is lost. Half of the customers cross the threshold
meanwhile, so reads and writes compete for the same four calls a second.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

import uvloop

from tests.bench.report import report
from tests.bench.system import System, running

EVENTS_PER_CUSTOMER = 5
BAR_S = 60.0


async def send(system: System, ids: list[int], span_s: float) -> None:
    """Edit every customer five times, in a random order, evenly over the span."""
    order = ids * EVENTS_PER_CUSTOMER
    random.Random(1).shuffle(order)
    started = time.perf_counter()
    for number, customer in enumerate(order):
        system.haravan.edit(customer, total_spent=1_000_000 + number * 400)
        if number % 50 == 49:
            due = started + span_s * number / len(order)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
    await system.haravan.deliveries.wait_idle()


async def measure(customers: int, span_s: float) -> bool:
    """False if a bar is missed."""
    async with running(workers=1) as system:
        ids = [system.haravan.create(total_spent=1) for _ in range(customers)]
        system.haravan.deliveries.clear()
        await send(system, ids, span_s)
        ended = time.perf_counter()
        printed_s = 0.0
        while waiting := await system.count_waiting():
            elapsed_s = time.perf_counter() - ended
            if elapsed_s >= printed_s:
                print(f"  {elapsed_s:5.1f} s after the last: {waiting} customers wait", flush=True)
                printed_s += 5
            if elapsed_s > 10 * BAR_S:
                break
            await asyncio.sleep(0.2)
        took_s = time.perf_counter() - ended
        print(f"  calls {system.haravan.calls.by_endpoint()}")
        print(f"  snapshots {await system.redis.hlen(system.key('snapshots'))}")
        refused = sum(1 for sent in system.haravan.deliveries.log if sent.status != 200)
        passes = [
            report("evaluated after the last webhook", took_s, "s", at_most=BAR_S),
            report("webhooks not answered 200", refused, "", at_most=0),
            report("calls answered 429", system.haravan.calls.count(status=429), "", at_most=0),
        ]
        return all(passes)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    return 0 if uvloop.run(measure(options.customers, options.seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
