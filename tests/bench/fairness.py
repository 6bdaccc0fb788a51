"""Fairness among shops (design.md, Numbers).

One shop with 100,000 dirty customers may add at most 1 s at p95 to 199 others. And with 1,000 shops that are all
busy on 2 workers, each gets at least 90 % of its API budget (the leak slowed down to what two cores can do).
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time

import uvloop

from deploy.sandbox import ShopHandle
from service.domain.customers.customer import CustomerId, OrgId
from service.store.queue import dirty
from tests.bench.load import percentile
from tests.bench.system import System, running

OTHERS = 199
DIRTY = 100_000
EVENTS = 300
BAR_ADDED_S = 1.0
SHOPS = 1_000
BUSY_LEAK_PER_S = 0.2
BUSY_S = 120.0
BAR_BUDGET = 0.9


async def latencies(system: System, dice: random.Random) -> list[float]:
    """Seconds from an order in some small shop to its tag call, ten orders a second over all of them."""
    took: list[float] = []

    async def one() -> None:
        shop = dice.choice(system.shops[1:])
        customer = shop.create(first_name="Ánh")
        await asyncio.sleep(2.5)  # its creation is seen to by then
        written = asyncio.Event()
        began = time.perf_counter()
        shop.on_call(
            lambda call: call.endpoint == "POST tags" and call.customer == customer,
            written.set,
            when="before",
        )
        shop.order(customer, 12_000_000)
        async with asyncio.timeout(120):
            await written.wait()
        took.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(EVENTS):
            group.create_task(one())
            await asyncio.sleep(0.1)
    return took


async def beside_a_giant() -> bool:
    """How much the dirty shop adds for the others."""
    dice = random.Random(1)
    async with running(shops=OTHERS + 1, workers=2) as system:
        alone = await latencies(system, dice)
        giant = system.shops[0]
        ids = [CustomerId(each) for each in giant.populate(DIRTY, seed=1)]
        giant.deliveries.clear()
        for start in range(0, DIRTY, 5_000):
            await dirty.mark_dirty_customers(
                system.redis, OrgId(giant.org), ids[start : start + 5_000], cause="replay:R0"
            )
        beside = await latencies(system, dice)
        left = await system.waiting(giant.org)
    added = percentile(beside, 0.95) - percentile(alone, 0.95)
    good = added <= BAR_ADDED_S
    print(
        f"199 shops: p95 {percentile(alone, 0.95):.2f} s alone, {percentile(beside, 0.95):.2f} s beside a shop "
        f"with 100,000 dirty customers ({left:,} left at the end)"
    )
    print(f"added at p95 {added:.2f} s  bar {BAR_ADDED_S} s  {'pass' if good else 'FAIL'}")
    return good


async def all_busy(shops: int = SHOPS) -> bool:
    """How much of its budget each of a thousand busy shops gets."""
    async with running(shops=shops, workers=2, leak_per_s=BUSY_LEAK_PER_S, subscribe=False) as system:
        for shop in system.shops:
            ids = [CustomerId(shop.create(total_spent=20_000_000)) for _ in range(120)]
            await dirty.mark_dirty_customers(system.redis, OrgId(shop.org), ids, cause="replay:R0")
        await _full_buckets(system)
        before = [_poured(shop) for shop in system.shops]
        began = time.perf_counter()
        await asyncio.sleep(BUSY_S)
        budget = (time.perf_counter() - began) * BUSY_LEAK_PER_S
        shares = [(_poured(shop) - was) / budget for shop, was in zip(system.shops, before, strict=True)]
        throttled = sum(shop.calls.count(status=429) for shop in system.shops)
    worst = min(shares)
    good = worst >= BAR_BUDGET and not throttled
    print(
        f"{shops:,} busy shops on 2 workers: worst {worst:.1%}, median {statistics.median(shares):.1%} of the budget, {throttled} answers 429"
    )
    print(f"worst {worst:.3f}  bar {BAR_BUDGET}  {'pass' if good else 'FAIL'}")
    return good


def _poured(shop: ShopHandle) -> float:
    """What has leaked from a shop's bucket until now: calls come eight at a time, the leak is even."""
    shop.bucket.header(shop.shop.clock())
    return shop.calls.count(status=200) - shop.bucket.level


async def _full_buckets(system: System) -> None:
    """The first forty calls of each shop are a gift: wait until they are spent."""
    async with asyncio.timeout(600):
        while (spent := sum(shop.calls.count() >= 40 for shop in system.shops)) < len(system.shops):
            print(f"  {spent} of {len(system.shops)} shops have spent their first forty calls", flush=True)
            await asyncio.sleep(10)


def main() -> int:
    wanted = sys.argv[1:] or ["giant", "busy"]
    good = True
    if "giant" in wanted:
        good &= uvloop.run(beside_a_giant())
    if "busy" in wanted:
        good &= uvloop.run(all_busy())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
