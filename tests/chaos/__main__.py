"""`python -m tests.chaos`: a chaos run of any length, with its progress and a table at the end."""

from __future__ import annotations

import secrets
import sys
import time
from enum import Enum
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from tests.chaos.cluster import ClusterOutcome, run_cluster
from tests.chaos.environment import Size
from tests.chaos.mishaps import Outcome, run_mishap
from tests.chaos.run import Plan, Result, run


class StoreMishap(Enum):
    """The choices of --store."""

    FULL = "full"
    EMPTIED = "emptied"
    PROMOTED = "promoted"
    CLUSTER = "cluster"


def main(
    *,
    events: Annotated[int, typer.Option(help="Webhooks that the shops send, echoes included")] = 20_000,
    seed: Annotated[int, typer.Option(help="0 draws one")] = 0,
    shops: int = 6,
    customers: Annotated[int, typer.Option(help="Of each shop")] = 500,
    leak_per_s: Annotated[float, typer.Option(help="Calls that each shop's bucket leaks")] = 200.0,
    mean_gap_s: Annotated[float, typer.Option(help="Between two faults")] = 4.0,
    per_s: Annotated[float, typer.Option(help="Events a second at most; 0 is as fast as they go")] = 0.0,
    idle_timeout_s: float = 300.0,
    keep: Annotated[bool, typer.Option(help="Keep the folder with the logs")] = False,
    store: Annotated[
        list[StoreMishap] | None,
        typer.Option(help="Instead: what happens to the store itself; several times for several"),
    ] = None,
    seconds: Annotated[float, typer.Option(help="With --store: of load before and after it")] = 10.0,
) -> None:
    """Run real processes under load and faults, then check the promises."""
    console = Console()
    if store:
        passed = True
        for kind in store:
            load: dict[str, Any] = {"seed": seed or 1, "seconds": seconds, "customers": customers}
            outcome: Outcome | ClusterOutcome
            if kind is StoreMishap.CLUSTER:
                outcome = uvloop.run(run_cluster(**load, keep=keep))
            else:
                outcome = uvloop.run(run_mishap(kind.value, **load, keep=keep))
            console.print(str(outcome), highlight=False)
            passed = passed and outcome.is_right
        sys.exit(0 if passed else 1)
    plan = Plan(
        events=events,
        seed=seed or secrets.randbelow(10**6),
        size=Size(shops=shops, customers=customers, leak_per_s=leak_per_s),
        per_s=per_s or float("inf"),
        mean_gap_s=mean_gap_s,
        idle_timeout_s=idle_timeout_s,
        keep=keep,
    )
    console.print(f"seed {plan.seed}")
    started_s = time.monotonic()
    result = uvloop.run(
        run(
            plan,
            report=lambda text: console.print(
                f"{time.monotonic() - started_s:7.1f} s  {text}", highlight=False
            ),
        )
    )
    show(console, plan, result)
    sys.exit(1 if result.verdict.wrong else 0)


def show(console: Console, plan: Plan, result: Result) -> None:
    """Print the table and the verdict."""
    table = Table(title=f"chaos, seed {plan.seed}")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for group in (result.verdict.figures, result.faults, result.interventions):
        for name, number in group.items():
            table.add_row(name, f"{number:,}")
        table.add_section()
    for name, took in result.seconds.items():
        table.add_row(name, f"{took:.1f} s")
    console.print(table)
    for error in result.verdict.wrong:
        console.print(f"WRONG  {error}", markup=False, highlight=False)
    if result.verdict.wrong:
        console.print(f"logs: {result.folder}")
    else:
        console.print("Nothing acknowledged was lost, every customer's tags are right.")


if __name__ == "__main__":
    typer.run(main)
