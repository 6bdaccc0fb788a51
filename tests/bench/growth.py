"""What an event costs as marks, customers and shops grow; `--plot FILE` draws it (needs matplotlib)."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer, CustomerId, OrgId, encode_snapshot
from service.store.client import keys
from service.store.client.connection import connect
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from service.store.queue.lease import LeaseManager
from service.store.queue.rate_limiter import RateLimiter
from service.store.queue.settlement import Settlement
from tests.bench.servers import valkey

SIZES = (1_000, 10_000, 100_000)
SHOPS = (1, 10, 100, 1_000)
BATCHES = 150
BAR = 2.0  # the largest may cost so many times the smallest
ORG = OrgId("1000000001")


async def cost_of_marking(redis: ArqRedis, orgs: list[OrgId]) -> float:
    """Microseconds for one recorded delivery, in batches of 64, for customers all over the id space."""
    took: list[float] = []
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
        began = time.perf_counter()
        await dirty.mark_dirty(redis, org, events, lane="live")
        took.append((time.perf_counter() - began) / 64)
    return statistics.median(took) * 1e6


async def cost_of_a_turn(redis: ArqRedis) -> float:
    """Microseconds for one customer, taken and cleared in batches of 50."""
    turns = LeaseManager(redis, rate_limiter=RateLimiter(redis))
    turn = await turns.acquire(ORG, token="bench")
    assert turn is not None  # nobody else is here
    took: list[float] = []
    for _ in range(BATCHES // 3):
        began = time.perf_counter()
        taken, _ = await turn.dequeue()
        items = [Settlement(op="complete", mark=mark, echo_digests="a", snapshot=b"x" * 80) for mark in taken]
        await turn.settle(items, today=1)
        took.append((time.perf_counter() - began) / max(1, len(taken)))
    await turn.release(wait_ms=0, state={})
    return statistics.median(took) * 1e6


async def with_marks(redis: ArqRedis, count: int) -> tuple[float, float]:
    for start in range(0, count, 10_000):
        ids = [CustomerId(each) for each in range(start + 1, min(start + 10_000, count) + 1)]
        await dirty.mark_dirty_customers(redis, ORG, ids, cause="replay:R0")
    return await cost_of_marking(redis, [ORG]), await cost_of_a_turn(redis)


async def with_customers(redis: ArqRedis, count: int) -> tuple[float, float]:
    for start in range(1, count + 1, 10_000):
        snaps = {
            str(each): encode_snapshot(Customer(id=each))
            for each in range(start, min(start + 10_000, count + 1))
        }
        await redis.hset(keys.shop(ORG, "snapshots"), mapping=snaps)
    return await cost_of_marking(redis, [ORG]), await cost_of_a_turn(redis)


async def with_shops(redis: ArqRedis, count: int) -> tuple[float, float]:
    orgs = [OrgId(str(1_000_000_001 + n)) for n in range(count)]
    await dirty.mark_dirty_customers(
        redis, ORG, [CustomerId(each) for each in range(1, 5_001)], cause="replay:R0"
    )
    return await cost_of_marking(redis, orgs), await cost_of_a_turn(redis)


async def measure(
    prepare: Callable[[ArqRedis, int], Awaitable[tuple[float, float]]], sizes: tuple[int, ...]
) -> list[tuple[float, float]]:
    seen: list[tuple[float, float]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
            redis = connect(url)
            seen.append(await prepare(redis, size))
            await redis.aclose()
    return seen


def main() -> int:
    kinds = {"marks": (with_marks, SIZES), "customers": (with_customers, SIZES), "shops": (with_shops, SHOPS)}
    good, drawn = True, {}
    for name, (prepare, sizes) in kinds.items():
        seen = uvloop.run(measure(prepare, sizes))
        drawn[name] = (sizes, seen)
        for size, (marking, turning) in zip(sizes, seen, strict=True):
            print(
                f"{size:>9,} {name:<10} {marking:6.1f} µs a delivery   {turning:6.1f} µs a customer drained",
                flush=True,
            )
        ratio = max(last / first for last, first in zip(seen[-1], seen[0], strict=True))
        good &= ratio <= BAR
        print(
            f"  {ratio:.2f} times from the smallest to the largest  bar {BAR}  {'pass' if ratio <= BAR else 'FAIL'}"
        )
    if "--plot" in sys.argv:
        plot(drawn, sys.argv[sys.argv.index("--plot") + 1])
    return 0 if good else 1


def plot(drawn: dict[str, tuple[tuple[int, ...], list[tuple[float, float]]]], file: str) -> None:
    """One panel for each kind of growth."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(10, 3), sharey=True, layout="constrained")
    most = max(figure for _, seen in drawn.values() for each in seen for figure in each)
    for panel, (name, (sizes, seen)) in zip(panels, drawn.items(), strict=True):
        panel.plot(sizes, [one[0] for one in seen], marker="o", label="a delivery, on disk")
        panel.plot(sizes, [one[1] for one in seen], marker="s", label="a customer, taken and cleared")
        panel.set(xscale="log", xlabel=name, ylim=(0, 1.2 * most))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("µs each, in batches")
    panels[0].legend(fontsize="small")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
