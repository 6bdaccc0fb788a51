"""What traces cost the web process for each acknowledged webhook: while they are off, and while every webhook is traced.

The variants take turns on the same durable server: `bare`, whose webhook endpoint asks for no trace; `ours`, with traces
off; and `traced`, in which every webhook is traced and its span is thrown away. The figures are medians of the ratios of
each round.

Bar: with traces off at most 1.03 of the CPU without them, which is what the figures of one variant differ by.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Final

from tests.bench.ingest import Figures, measure, on_core
from tests.bench.load import WARM_UP, requests
from tests.bench.report import report
from tests.bench.servers import valkey

VARIANTS: Final = ("bare", "ours", "traced")
MAX_CPU_OFF: Final = 1.03


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--webhooks", type=int, default=20_000, help="of each variant in a round")
    options = parser.parse_args()
    ready = list(requests(WARM_UP + options.webhooks))
    rounds: list[dict[str, Figures]] = []
    for number in range(options.rounds):
        with on_core(1), tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
            print(f"round {number + 1}")
            order = VARIANTS if number % 2 else VARIANTS[::-1]
            rounds.append({variant: measure(url, variant, ready) for variant in order})

    def median(variant: str) -> float:
        return statistics.median(figures[variant].cpu_us / figures["bare"].cpu_us for figures in rounds)

    print(f"traced: {median('traced'):.2f} of bare")
    return 0 if report("CPU with traces off", median("ours"), "of bare", at_most=MAX_CPU_OFF) else 1


if __name__ == "__main__":
    raise SystemExit(main())
