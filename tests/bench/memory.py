"""Memory of the processes: web at most 90 MB and worker at most 110 MB at rest, and flat over a million events."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from tests.bench.load import closed_loop, requests
from tests.bench.system import System, running

BAR_WEB_MB = 90.0
BAR_WORKER_MB = 110.0
BAR_GROWTH_MB = 15.0
SLICES = 10
CUSTOMERS = 2_000
LEAK_PER_S = 400.0


def resident_mb(pid: int) -> float:
    """What the process holds in memory now (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def sizes(system: System) -> tuple[float, float]:
    return resident_mb(system.web_pid), max(map(resident_mb, system.worker_pids))


async def measure(events: int) -> bool:
    """Rest, then the events in slices with a look after each; the worker drains meanwhile."""
    async with running(leak_per_s=LEAK_PER_S, subscribe=False) as system:
        for number in range(CUSTOMERS):
            system.haravan.create(id=1_000_000_000 + number, total_spent=number * 10_000)
        await asyncio.sleep(2)
        web, worker = sizes(system)
        print(f"  at rest: web {web:.0f} MB, worker {worker:.0f} MB", flush=True)
        good = web <= BAR_WEB_MB and worker <= BAR_WORKER_MB
        seen: list[tuple[float, float]] = []
        for number in range(SLICES):
            size = events // SLICES
            source = list(requests(size, customers=CUSTOMERS, start=number * size))
            await closed_loop(system.port, source)
            while await system.waiting():  # noqa: ASYNC110  # a plain poll
                await asyncio.sleep(0.5)
            seen.append(sizes(system))
            print(
                f"  after {(number + 1) * size:>9,} events: web {seen[-1][0]:.0f} MB, worker {seen[-1][1]:.0f} MB",
                flush=True,
            )
        growth = max(last - early for last, early in zip(seen[-1], seen[1], strict=True))
        flat = growth <= BAR_GROWTH_MB
        print(
            f"at rest: web {web:.0f} MB bar {BAR_WEB_MB:.0f}, worker {worker:.0f} MB bar {BAR_WORKER_MB:.0f}  {'pass' if good else 'FAIL'}"
        )
        print(
            f"growth from the second slice to the last {growth:.1f} MB  bar {BAR_GROWTH_MB:.0f}  {'pass' if flat else 'FAIL'}"
        )
        return good and flat


def main() -> int:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    return 0 if uvloop.run(measure(events)) else 1


if __name__ == "__main__":
    sys.exit(main())
