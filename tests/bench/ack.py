"""How long an acknowledgement takes at 500 webhooks a second, alone and beside a process that uses all CPU.

Bars: p99 at most 5 ms, p99.9 at most 10 ms. Each part takes a minute: of ten seconds' requests the slowest thousandth
are five, which one slow disk write decides.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from tests.bench.load import WARM_UP, Run, closed_loop, open_loop, requests
from tests.bench.report import percentile, report
from tests.bench.servers import fsync_ms, valkey, web

PER_S = 500
BARS_MS = {0.99: 5.0, 0.999: 10.0}


@contextmanager
def busy_process() -> Iterator[None]:
    """A process that uses all the CPU it gets, like a worker at its busiest."""
    worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        worker.kill()
        worker.wait()


def report_run(name: str, run: Run) -> bool:
    """Print the percentiles of a run. False if it misses a bar or has an error."""
    passes = report(f"{name}: answers other than 200", run.errors, "", at_most=0)
    report(f"{name}: p50", percentile(run.durations_s, 0.5) * 1000, "ms")
    for share, bar in BARS_MS.items():
        figure = percentile(run.durations_s, share) * 1000
        passes &= report(f"{name}: p{share * 100:g}", figure, "ms", at_most=bar)
    return passes


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="of each part")
    seconds = parser.parse_args().seconds
    ready = list(requests(WARM_UP + PER_S * seconds))
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(Path(folder)) as url,
        web(url, variant="ours") as (port, _),
    ):
        print(f"disk: {fsync_ms(Path(folder)):.2f} ms for one fdatasync")
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        passes = report_run("alone", uvloop.run(open_loop(port, ready[WARM_UP:], per_s=PER_S)))
        with busy_process():
            run = uvloop.run(open_loop(port, ready[WARM_UP:], per_s=PER_S))
            passes &= report_run("beside a busy process", run)
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
