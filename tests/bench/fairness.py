"""Fairness among shops.

Bars: one shop with 100,000 dirty customers adds at most 1 s at p95 to 199 others. Of 1,000 shops that are all busy on
2 workers, each gets at least 90 % of its API budget (at a leak that two cores can follow).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time

import uvloop

from deploy.sandbox import ShopHandle
from service.domain.customers.customer import CustomerId, OrgId
from service.store.queue import dirty
from tests.bench.report import percentile, report
from tests.bench.system import System, running

BAR_ADDED_S = 1.0
BUSY_LEAK_PER_S = 0.2
BAR_BUDGET = 0.9


async def latencies(system: System, events: int, rng: random.Random) -> list[float]:
    """Seconds from an order in some small shop to its tag call, ten orders a second over all of them."""
    durations: list[float] = []

    async def order() -> None:
        shop = rng.choice(system.shops[1:])
        customer = shop.create(first_name="Ánh")
        await asyncio.sleep(2.5)  # its creation is drained by then
        written = asyncio.Event()
        started = time.perf_counter()
        shop.on_call(
            lambda call: call.endpoint == "POST tags" and call.customer == customer,
            written.set,
            when="before",
        )
        shop.order(customer, 12_000_000)
        async with asyncio.timeout(120):
            await written.wait()
        durations.append(time.perf_counter() - started)

    async with asyncio.TaskGroup() as group:
        for _ in range(events):
            group.create_task(order())
            await asyncio.sleep(0.1)
    return durations


async def measure_giant(*, others: int, customers: int, events: int) -> bool:
    """How much a shop with many dirty customers adds to the latency of the others."""
    rng = random.Random(1)
    async with running(shops=others + 1, workers=2) as system:
        alone = await latencies(system, events, rng)
        giant = system.shops[0]
        ids = [CustomerId(customer) for customer in giant.populate(customers, seed=1)]
        giant.deliveries.clear()
        for start in range(0, customers, 5_000):
            await dirty.mark_dirty_customers(
                system.redis, OrgId(giant.org), ids[start : start + 5_000], cause="replay:R0"
            )
        beside = await latencies(system, events, rng)
        left = await system.count_waiting(giant.org)
    p95, p95_alone = percentile(beside, 0.95), percentile(alone, 0.95)
    report(f"{others} shops alone: p95", p95_alone, "s")
    report(f"beside a shop with dirty customers, {left:,} left: p95", p95, "s")
    return report("added at p95", p95 - p95_alone, "s", at_most=BAR_ADDED_S)


async def measure_busy(*, shops: int, seconds: float) -> bool:
    """The share of its API budget that each busy shop gets."""
    async with running(shops=shops, workers=2, leak_per_s=BUSY_LEAK_PER_S, subscribe=False) as system:
        for shop in system.shops:
            ids = [CustomerId(shop.create(total_spent=20_000_000)) for _ in range(120)]
            await dirty.mark_dirty_customers(system.redis, OrgId(shop.org), ids, cause="replay:R0")
        await _wait_for_full_buckets(system)
        before = [_leaked(shop) for shop in system.shops]
        started = time.perf_counter()
        await asyncio.sleep(seconds)
        budget = (time.perf_counter() - started) * BUSY_LEAK_PER_S
        shares = [(_leaked(shop) - was) / budget for shop, was in zip(system.shops, before, strict=True)]
        throttled = sum(shop.calls.count(status=429) for shop in system.shops)
    report(f"{shops:,} busy shops on 2 workers: median", statistics.median(shares), "of the budget")
    passes = report("the shop with the least", min(shares), "of the budget", at_least=BAR_BUDGET)
    return report("calls answered 429", throttled, "", at_most=0) and passes


def _leaked(shop: ShopHandle) -> float:
    """The calls that have leaked from a shop's bucket: calls come eight at a time, the leak is even."""
    shop.bucket.header(shop.shop.clock())
    return shop.calls.count(status=200) - shop.bucket.level


async def _wait_for_full_buckets(system: System) -> None:
    """The first forty calls of each shop do not wait for the leak: wait until they are spent."""
    async with asyncio.timeout(600):
        while (spent := sum(shop.calls.count() >= 40 for shop in system.shops)) < len(system.shops):
            print(f"  {spent} of {len(system.shops)} shops have spent their first forty calls", flush=True)
            await asyncio.sleep(10)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["giant", "busy"])
    parser.add_argument("--others", type=int, default=199, help="small shops beside the giant")
    parser.add_argument("--customers", type=int, default=100_000, help="dirty customers of the giant")
    parser.add_argument("--events", type=int, default=300, help="orders in the small shops")
    parser.add_argument("--shops", type=int, default=1_000, help="busy shops")
    parser.add_argument("--seconds", type=float, default=120.0, help="for which the shops are busy")
    options = parser.parse_args()
    passes = True
    if options.only != "busy":
        passes &= uvloop.run(
            measure_giant(others=options.others, customers=options.customers, events=options.events)
        )
    if options.only != "giant":
        passes &= uvloop.run(measure_busy(shops=options.shops, seconds=options.seconds))
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
