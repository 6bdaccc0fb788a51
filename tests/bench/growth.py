"""What an event costs as marks, customers and shops grow. Bar: the largest costs at most twice the smallest.

`--plot FILE` draws it (needs matplotlib).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from service.domain.customers.customer import Customer, CustomerId, OrgId, encode_snapshot
from service.store.client import RedisClient, keys
from service.store.client.connection import connect
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from service.store.queue.lease import LeaseManager
from service.store.queue.rate_limiter import RateLimiter
from service.store.queue.settlement import Settlement
from tests.bench.report import report
from tests.bench.servers import valkey

SIZES = (1_000, 10_000, 100_000)
SHOPS = (1, 10, 100, 1_000)
BATCHES = 150
BAR = 2.0
ORG = OrgId("1000000001")


async def cost_of_marking(redis: RedisClient, orgs: list[OrgId]) -> float:
    """Microseconds for one recorded delivery, in batches of 64, for customers all over the id space."""
    durations: list[float] = []
    for batch in range(BATCHES):
        org = orgs[batch % len(orgs)]
        events = [
            DirtyEvent(
                str(5_000_000 + (batch * 64 + n) * 7919 % 1_000_000),
                identity=batch.to_bytes(4) + n.to_bytes(12),
                record=b"x" * 60,
            )
            for n in range(64)
        ]
        started = time.perf_counter()
        await dirty.mark_dirty(redis, org, events, lane="live")
        durations.append((time.perf_counter() - started) / 64)
    return statistics.median(durations) * 1e6


async def cost_of_draining(redis: RedisClient) -> float:
    """Microseconds for one customer, dequeued and settled in batches of 50."""
    leases = LeaseManager(redis, rate_limiter=RateLimiter(redis))
    lease = await leases.acquire(ORG, token="bench")
    assert lease is not None  # no other process runs
    durations: list[float] = []
    for _ in range(BATCHES // 3):
        started = time.perf_counter()
        marks, _ = await lease.dequeue()
        items = [Settlement(op="complete", mark=mark, echo_digests="a", snapshot=b"x" * 80) for mark in marks]
        await lease.settle(items, today=1)
        durations.append((time.perf_counter() - started) / max(1, len(marks)))
    await lease.release(wait_ms=0, state={})
    return statistics.median(durations) * 1e6


async def with_marks(redis: RedisClient, count: int) -> tuple[float, float]:
    for start in range(0, count, 10_000):
        ids = [CustomerId(number) for number in range(start + 1, min(start + 10_000, count) + 1)]
        await dirty.mark_dirty_customers(redis, ORG, ids, cause="replay:R0")
    return await cost_of_marking(redis, [ORG]), await cost_of_draining(redis)


async def with_customers(redis: RedisClient, count: int) -> tuple[float, float]:
    for start in range(1, count + 1, 10_000):
        snapshots = {
            str(number): encode_snapshot(Customer(id=number))
            for number in range(start, min(start + 10_000, count + 1))
        }
        await redis.hset(keys.shop(ORG, "snapshots"), mapping=snapshots)
    return await cost_of_marking(redis, [ORG]), await cost_of_draining(redis)


async def with_shops(redis: RedisClient, count: int) -> tuple[float, float]:
    orgs = [OrgId(str(1_000_000_001 + n)) for n in range(count)]
    await dirty.mark_dirty_customers(
        redis, ORG, [CustomerId(number) for number in range(1, 5_001)], cause="replay:R0"
    )
    return await cost_of_marking(redis, orgs), await cost_of_draining(redis)


async def measure(
    prepare: Callable[[RedisClient, int], Awaitable[tuple[float, float]]], sizes: tuple[int, ...]
) -> list[tuple[float, float]]:
    costs: list[tuple[float, float]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
            redis = connect(url)
            costs.append(await prepare(redis, size))
            await redis.aclose()
    return costs


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", metavar="FILE")
    parser.add_argument("--smallest", action="store_true", help="only the smallest of all sizes")
    options = parser.parse_args()
    kinds = {"marks": (with_marks, SIZES), "customers": (with_customers, SIZES), "shops": (with_shops, SHOPS)}
    passes = True
    all_costs: dict[str, tuple[tuple[int, ...], list[tuple[float, float]]]] = {}
    for name, (prepare, all_sizes) in kinds.items():
        sizes = all_sizes[:1] if options.smallest else all_sizes
        costs = uvloop.run(measure(prepare, sizes))
        all_costs[name] = (sizes, costs)
        for size, (marking, draining) in zip(sizes, costs, strict=True):
            print(
                f"{size:>9,} {name:<10} {marking:6.1f} µs a delivery   {draining:6.1f} µs a customer drained",
                flush=True,
            )
        ratio = max(last / first for last, first in zip(costs[-1], costs[0], strict=True))
        passes &= report(f"{name}, from the smallest to the largest", ratio, "times", at_most=BAR)
    if options.plot:
        plot(all_costs, options.plot)
    return 0 if passes else 1


def plot(all_costs: dict[str, tuple[tuple[int, ...], list[tuple[float, float]]]], file: str) -> None:
    """One panel for each kind of growth."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
    highest = max(figure for _, costs in all_costs.values() for pair in costs for figure in pair)
    for panel, (name, (sizes, costs)) in zip(panels, all_costs.items(), strict=True):
        panel.plot(sizes, [marking for marking, _ in costs], marker="o", label="a delivery, on disk")
        panel.plot(
            sizes, [draining for _, draining in costs], marker="s", label="a customer, dequeued and settled"
        )
        panel.set(xscale="log", xlabel=name, ylim=(0, 1.2 * highest))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("µs each, in batches")
    panels[0].legend(fontsize="small")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
