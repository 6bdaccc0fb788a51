"""Acknowledged webhooks a second, on disk before the 200, against what one would write first (design.md, Numbers).

Where there are two cores, the web process of every variant has one, and the store and the sender share the other: left
to the scheduler the same code gave 27,000 and 33,000 a second within a minute.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from tests.bench.load import WARM_UP, closed_loop, percentile, requests
from tests.bench.servers import fsync_ms, valkey, web

COUNTS = {"durable": 40_000, "unwritten": 40_000, "plain": 10_000}
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
BAR_PLAIN = 5.5
BAR_UNWRITTEN = 0.7


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """This process, and those that it starts meanwhile, on one core of several; where they can be told apart."""
    if len(CORES) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(url: str, variant: str, ready: list[bytes]) -> float:
    """Requests a second of one variant; says what it saw."""
    with ExitStack() as stack:
        with on_core(0):
            port = stack.enter_context(web(url, variant=variant))
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        run = uvloop.run(closed_loop(port, ready[WARM_UP:]))
    p50, p99 = percentile(run.took_s, 0.5), percentile(run.took_s, 0.99)
    print(
        f"  {variant:<10} {run.per_s:>8,.0f}/s  p50 {p50 * 1000:5.2f} ms  p99 {p99 * 1000:5.2f} ms",
        flush=True,
    )
    if run.wrong:
        sys.exit(f"{run.wrong} answers were not 200")
    return run.per_s


def main(rounds: int) -> int:
    """Some rounds of all variants; passes when the medians of the ratios reach their bars."""
    ready = list(requests(WARM_UP + max(COUNTS.values())))
    ratios: dict[str, list[float]] = {"plain": [], "unwritten": []}
    for number in range(rounds):
        with on_core(1), tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
            print(f"round {number + 1}; disk: {fsync_ms(Path(folder)):.2f} ms for one fdatasync")
            per_s = {
                variant: measure(url, variant, ready[: WARM_UP + count]) for variant, count in COUNTS.items()
            }
        for other, seen in ratios.items():
            seen.append(per_s["durable"] / per_s[other])
    good = True
    for other, bar in (("plain", BAR_PLAIN), ("unwritten", BAR_UNWRITTEN)):
        figure = statistics.median(ratios[other])
        good &= figure >= bar
        print(f"durable against {other:<10} {figure:5.2f}  bar {bar}  {'pass' if figure >= bar else 'FAIL'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
