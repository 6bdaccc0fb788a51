"""`python -m tests.bench [NAME]...`: run the benchmarks and print their results as one table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.cli.context import AsJson
from deploy.cli.output import print_json, print_table
from deploy.local.terminal import error_console

ROOT: Final = Path(__file__).resolve().parents[2]
# name -> what it measures, in the order of execution
BENCHES: Final = {
    "ingest": "acknowledged webhooks, on disk, beside the usual first version",
    "tracing": "CPU for each webhook with traces off and on",
    "ack": "acknowledgement at 500/s, alone and beside a busy worker",
    "ack_preview": "the same while 100,000 customers are previewed again and again",
    "latency": "webhook to tag call on an idle system",
    "burst": "50,000 webhooks for 10,000 customers in 60 s, at Haravan's own pace",
    "pacing": "share of the API budget used, and answers 429, on a simulated clock",
    "pacing_real": "the same on a real clock, eight cases of two minutes",
    "fairness": "a shop with 100,000 dirty customers beside 199 others; 1,000 busy shops",
    "evaluation": "20 rules over 100,000 customers, beside two other engines",
    "preview": "a preview of all customers, cold and after an edit",
    "pages": "the pages of rules with 100,000 customers and 50 rules, and live counts",
    "editing": "acknowledgement at 200/s while ten people edit rules over 100,000 customers",
    "activity": "the pages of what happens, and the count of a replay, with 100,000 customers",
    "baseline": "API calls and time beside a plain Starlette and arq service",
    "memory": "memory at rest and over a million events",
    "drain": "round trips and CPU of a drain with one tag write",
    "ledger": "what an entry of the ledger costs the store",
    "moving": "the pause of a move of 10,000 customers to a cluster and back, under load",
    "growth": "what an event costs as marks, customers and shops grow",
    "cluster": "CPU for each webhook on one server and on three shards, the price of WAIT, and outages",
    "capacity": "what a number of shops needs: a model, and a real run of 2,000 shops",
}


def bench(
    names: Annotated[list[str] | None, typer.Argument(help=f"Some of: {', '.join(BENCHES)}.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run benchmarks on this machine, over loopback only. All of them take about two hours."""
    selected = names or list(BENCHES)
    unknown = [name for name in selected if name not in BENCHES]
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; known: {', '.join(BENCHES)}")
    rows = [(name, *_run(name)) for name in selected]
    if as_json:
        print_json([{"bench": name, "passed": code == 0, "figures": lines} for name, code, lines in rows])
    else:
        print_table(
            ["bench", "outcome", "figures"],
            [(name, "pass" if code == 0 else "FAIL", "\n".join(lines)) for name, code, lines in rows],
            empty="nothing was measured",
        )
    raise typer.Exit(0 if all(code == 0 for _, code, _ in rows) else 1)


def _run(name: str) -> tuple[int, list[str]]:
    """The exit code of the benchmark, and its output lines about a bar."""
    error_console().print(f"{name}: {BENCHES[name]} …")
    completed = subprocess.run(  # noqa: S603
        [sys.executable, "-m", f"tests.bench.{name}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line.strip() for line in completed.stdout.splitlines() if "bar" in line or "budget" in line]
    return completed.returncode, lines or [(completed.stdout or completed.stderr).strip()[-300:]]


if __name__ == "__main__":
    typer.run(bench)
