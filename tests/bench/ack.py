"""How long an acknowledgement takes at 500 webhooks a second, alone and beside a process that uses all CPU.

Bars: p99 at most 5 ms, p99.9 at most 10 ms. Where the machine itself stalls, or is busy, at most three times those of the
usual first version, which gets the same webhooks in turns with ours. Each part of each takes a minute: of ten seconds'
requests the slowest thousandth are five, which one slow disk write decides.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from tests.bench.load import WARM_UP, Run, closed_loop, open_loop, requests
from tests.bench.report import percentile, report
from tests.bench.servers import fsync_ms, valkey, web

PER_S = 500
ROUNDS = 3
BARS_MS = {0.99: 5.0, 0.999: 10.0}
MAX_RATIO = 3.0  # to the usual first version


@contextmanager
def busy_process() -> Iterator[None]:
    """A process that uses all the CPU it gets, like a worker at its busiest."""
    worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        worker.kill()
        worker.wait()


def report_run(name: str, run: Run, plain: Run | None = None) -> bool:
    """Print the percentiles of a run. False if it misses a bar or has an error.

    `plain` is the run of the usual first version in turns with it, for a machine that stalls.
    """
    passes = report(f"{name}: answers other than 200", run.errors, "", at_most=0)
    report(f"{name}: p50", percentile(run.durations_s, 0.5) * 1000, "ms")
    for share, bar_ms in BARS_MS.items():
        figure = percentile(run.durations_s, share) * 1000
        usual = percentile(plain.durations_s, share) * 1000 if plain else 0.0
        if plain:
            report(f"{name}: p{share * 100:g} of the usual first version", usual, "ms")
        bar = max(bar_ms, MAX_RATIO * usual)
        passes &= report(f"{name}: p{share * 100:g}", figure, "ms", at_most=bar)
    return passes


def run_in_turns(ports: dict[str, int], ready: list[bytes]) -> dict[str, Run]:
    """A run of each web process, in `ROUNDS` turns."""
    runs = {variant: Run() for variant in ports}
    size = len(ready) // ROUNDS
    for number in range(ROUNDS):
        for variant, port in ports.items():
            part = uvloop.run(open_loop(port, ready[number * size : (number + 1) * size], per_s=PER_S))
            runs[variant].durations_s.extend(part.durations_s)
            runs[variant].errors += part.errors
    return runs


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="of each part")
    seconds = parser.parse_args().seconds
    ready = list(requests(WARM_UP + PER_S * seconds))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        print(f"disk: {fsync_ms(folder):.2f} ms for one fdatasync")
        ports = {}
        for variant in ("ours", "plain"):
            (folder / variant).mkdir()
            url = stack.enter_context(valkey(folder / variant))
            ports[variant], _ = stack.enter_context(web(url, variant=variant))
            uvloop.run(closed_loop(ports[variant], ready[:WARM_UP]))
        runs = run_in_turns(ports, ready[WARM_UP:])
        passes = report_run("alone", runs["ours"], runs["plain"])
        with busy_process():
            runs = run_in_turns(ports, ready[WARM_UP:])
        passes &= report_run("beside a busy process", runs["ours"], runs["plain"])
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
