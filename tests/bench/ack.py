"""How long an acknowledgement takes at 500 webhooks a second, alone and beside a busy process (design.md, Numbers).

    python tests/bench/ack.py [SECONDS]

A minute each by itself: of ten seconds' requests the slowest thousandth are five, which one hiccup of the disk decides.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from tests.bench.load import WARM_UP, Run, closed_loop, open_loop, percentile, requests
from tests.bench.servers import fsync_ms, valkey, web

PER_S = 500
BARS_MS = {0.99: 5.0, 0.999: 10.0}


@contextmanager
def busy() -> Iterator[None]:
    """A process that takes all the processor it can get, as a draining worker does at its worst."""
    worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        worker.kill()
        worker.wait()


def told(name: str, run: Run) -> bool:
    """Say what was seen, and whether the bars were held."""
    good = run.wrong == 0
    seen = [f"p50 {percentile(run.took_s, 0.5) * 1000:.2f} ms"]
    for share, bar in BARS_MS.items():
        figure = percentile(run.took_s, share) * 1000
        good &= figure <= bar
        seen.append(f"p{share * 100:g} {figure:.2f} ms (bar {bar:g})")
    print(f"{name:<18} {', '.join(seen)}  {'pass' if good else 'FAIL'}", flush=True)
    return good


def main(seconds: int) -> int:
    """Both runs; passes when both hold their bars."""
    ready = list(requests(WARM_UP + PER_S * seconds))
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(Path(folder)) as url,
        web(url, variant="ours") as port,
    ):
        print(f"disk: {fsync_ms(Path(folder)):.2f} ms for one fdatasync")
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        good = told("alone", uvloop.run(open_loop(port, ready[WARM_UP:], per_s=PER_S)))
        with busy():
            good &= told("beside a busy one", uvloop.run(open_loop(port, ready[WARM_UP:], per_s=PER_S)))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
