"""Memory of the processes: web at most 90 MB and worker at most 110 MB at rest, at most 15 MB more over a million events."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import uvloop

from tests.bench.load import closed_loop, requests
from tests.bench.report import report
from tests.bench.system import System, running

BAR_WEB_MB = 90.0
BAR_WORKER_MB = 110.0
BAR_GROWTH_MB = 15.0
SLICES = 10
CUSTOMERS = 2_000
LEAK_PER_S = 400.0


def resident_mb(pid: int) -> float:
    """The resident memory of a process (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def sizes(system: System) -> tuple[float, float]:
    """Megabytes of the web process and of the largest worker."""
    return resident_mb(system.web_pid), max(map(resident_mb, system.worker_pids))


async def measure(events: int) -> bool:
    """Measure at rest and after every slice of the events, which a worker drains meanwhile."""
    async with running(leak_per_s=LEAK_PER_S, subscribe=False) as system:
        for number in range(CUSTOMERS):
            system.haravan.create(id=1_000_000_000 + number, total_spent=number * 10_000)
        await asyncio.sleep(2)
        web, worker = sizes(system)
        passes = report("web at rest", web, "MB", at_most=BAR_WEB_MB)
        passes &= report("worker at rest", worker, "MB", at_most=BAR_WORKER_MB)
        after: list[tuple[float, float]] = []
        for number in range(SLICES):
            size = events // SLICES
            await closed_loop(system.port, list(requests(size, customers=CUSTOMERS, start=number * size)))
            while await system.count_waiting():  # noqa: ASYNC110  # the queue has no event
                await asyncio.sleep(0.5)
            after.append(sizes(system))
            print(
                f"  after {(number + 1) * size:>9,} events: web {after[-1][0]:.0f} MB, worker {after[-1][1]:.0f} MB",
                flush=True,
            )
        growth = max(last - early for last, early in zip(after[-1], after[1], strict=True))
        return report("growth since the second slice", growth, "MB", at_most=BAR_GROWTH_MB) and passes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    return 0 if uvloop.run(measure(parser.parse_args().events)) else 1


if __name__ == "__main__":
    sys.exit(main())
