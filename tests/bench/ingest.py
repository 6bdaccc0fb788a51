"""What an acknowledged webhook costs the web process, and how many there are a second (design.md, Numbers).

    python -m tests.bench.ingest [ROUNDS]

Every variant takes turns on the same durable server: `ours`; `unwritten`, the same endpoint without the write; and
`plain`, what one would write first: a Starlette handler that calls arq's `enqueue_job`, on the same uvicorn. Bars are
medians of ratios within a round. On two cores or more the web process has one of them, and the server and the sender
share another: left to the scheduler the same code gave 27,000 and 33,000 a second within a minute.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from tests.bench.load import WARM_UP, closed_loop, percentile, requests
from tests.bench.servers import fsync_ms, valkey, web_process

ROUNDS: Final = 5
COUNTS: Final = {"ours": 40_000, "unwritten": 40_000, "plain": 10_000}  # webhooks of a round
MAX_CPU_OF_PLAIN: Final = 0.32
MIN_THROUGHPUT_OF_PLAIN: Final = 3.1
MIN_THROUGHPUT_OF_UNWRITTEN: Final = 0.7
CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one variant in one round."""

    cpu_us: float  # of the web process for each webhook
    per_s: float


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """This process, and those that it starts meanwhile, on one core of several, if cores can be told apart."""
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
    """One variant, warmed up; prints what it saw."""
    with ExitStack() as stack:
        with on_core(0):
            port, pid = stack.enter_context(web_process(url, variant=variant))
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        before_s = cpu_s(pid)
        run = uvloop.run(closed_loop(port, ready[WARM_UP:]))
        figures = Figures((cpu_s(pid) - before_s) / len(run.took_s) * 1e6, run.per_s)
    p50, p99 = percentile(run.took_s, 0.5), percentile(run.took_s, 0.99)
    print(
        f"  {variant:<10} {figures.cpu_us:6.1f} us of CPU each  {run.per_s:>8,.0f}/s  "
        f"p50 {p50 * 1000:5.2f} ms  p99 {p99 * 1000:5.2f} ms",
        flush=True,
    )
    if run.wrong:
        sys.exit(f"{run.wrong} answers were not 200: the machine or its disk is busy")
    return figures


def main(rounds: int) -> int:
    """Some rounds of all variants; passes if the medians of the ratios reach their bars."""
    ready = list(requests(WARM_UP + max(COUNTS.values())))
    seen: list[dict[str, Figures]] = []
    for number in range(rounds):
        with on_core(1), tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
            print(f"round {number + 1}; disk: {fsync_ms(Path(folder)):.2f} ms for one fdatasync")
            seen.append(
                {
                    variant: measure(url, variant, ready[: WARM_UP + count])
                    for variant, count in COUNTS.items()
                }
            )
    cpu = statistics.median(each["ours"].cpu_us / each["plain"].cpu_us for each in seen)
    plain = statistics.median(each["ours"].per_s / each["plain"].per_s for each in seen)
    unwritten = statistics.median(each["ours"].per_s / each["unwritten"].per_s for each in seen)
    results = [
        report("CPU, share of plain", cpu, f"<= {MAX_CPU_OF_PLAIN}", passes=cpu <= MAX_CPU_OF_PLAIN),
        report(
            "throughput, times plain",
            plain,
            f">= {MIN_THROUGHPUT_OF_PLAIN}",
            passes=plain >= MIN_THROUGHPUT_OF_PLAIN,
        ),
        report(
            "throughput, share of unwritten",
            unwritten,
            f">= {MIN_THROUGHPUT_OF_UNWRITTEN}",
            passes=unwritten >= MIN_THROUGHPUT_OF_UNWRITTEN,
        ),
    ]
    return 0 if all(results) else 1


def report(name: str, figure: float, bar: str, *, passes: bool) -> bool:
    """Print a figure beside its bar."""
    print(f"{name:<31} {figure:5.2f}  bar {bar}  {'pass' if passes else 'FAIL'}")
    return passes


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
