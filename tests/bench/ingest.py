"""What an acknowledged webhook costs the web process, and how many it acknowledges in a second.

Every variant takes turns on the same durable server: `ours`; `unwritten`, the same endpoint without the write; and
`plain`, the usual first version: a Starlette handler that calls arq's `enqueue_job`, on the same uvicorn. The figures
are medians of the ratios of each round. The web process has one core, the store and the sender share another: without
this the same code gave 27,000 and 33,000 webhooks a second within a minute.

Bars: CPU at most 0.28 of plain, throughput at least 3.6 times plain and 0.7 of unwritten.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from tests.bench.load import WARM_UP, closed_loop, requests
from tests.bench.report import percentile, report
from tests.bench.servers import fsync_ms, valkey, web

SHARES: Final = {"ours": 1.0, "unwritten": 1.0, "plain": 0.25}  # of the webhooks of a round
MAX_CPU_OF_PLAIN: Final = 0.28
MIN_THROUGHPUT_OF_PLAIN: Final = 3.6
MIN_THROUGHPUT_OF_UNWRITTEN: Final = 0.7
CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True, slots=True)
class Figures:
    """One variant in one round."""

    cpu_us: float  # of the web process for each webhook
    per_s: float


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """Run this process, and those that it starts meanwhile, on one core, if there are several."""
    if len(CORES) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """Processor time of a process, system calls included. Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(url: str, variant: str, ready: list[bytes]) -> Figures:
    """Measure one variant after a warm-up, and print its figures."""
    with ExitStack() as stack:
        with on_core(0):
            port, process = stack.enter_context(web(url, variant=variant))
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        before_s = cpu_s(process.pid)
        run = uvloop.run(closed_loop(port, ready[WARM_UP:]))
        figures = Figures((cpu_s(process.pid) - before_s) / len(run.durations_s) * 1e6, run.per_s)
    p50, p99 = percentile(run.durations_s, 0.5), percentile(run.durations_s, 0.99)
    print(
        f"  {variant:<10} {figures.cpu_us:6.1f} us of CPU for each  {run.per_s:>8,.0f}/s  "
        f"p50 {p50 * 1000:5.2f} ms  p99 {p99 * 1000:5.2f} ms",
        flush=True,
    )
    if run.errors:
        sys.exit(f"{run.errors} answers were not 200: the machine or its disk is busy")
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--webhooks", type=int, default=40_000, help="of each variant in a round; plain gets a quarter"
    )
    options = parser.parse_args()
    ready = list(requests(WARM_UP + options.webhooks))
    rounds: list[dict[str, Figures]] = []
    for number in range(options.rounds):
        with on_core(1), tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
            print(f"round {number + 1}; disk: {fsync_ms(Path(folder)):.2f} ms for one fdatasync")
            rounds.append(
                {
                    variant: measure(url, variant, ready[: WARM_UP + int(options.webhooks * share)])
                    for variant, share in SHARES.items()
                }
            )

    def median(ratio: Callable[[dict[str, Figures]], float]) -> float:
        return statistics.median(map(ratio, rounds))

    cpu = median(lambda figures: figures["ours"].cpu_us / figures["plain"].cpu_us)
    plain = median(lambda figures: figures["ours"].per_s / figures["plain"].per_s)
    unwritten = median(lambda figures: figures["ours"].per_s / figures["unwritten"].per_s)
    passes = [
        report("CPU", cpu, "of plain", at_most=MAX_CPU_OF_PLAIN),
        report("throughput", plain, "times plain", at_least=MIN_THROUGHPUT_OF_PLAIN),
        report("throughput", unwritten, "of unwritten", at_least=MIN_THROUGHPUT_OF_UNWRITTEN),
    ]
    return 0 if all(passes) else 1


if __name__ == "__main__":
    sys.exit(main())
