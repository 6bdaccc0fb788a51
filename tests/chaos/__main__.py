"""`python -m tests.chaos`: a chaos run of any length, with its progress and a table at the end."""

from __future__ import annotations

import secrets
import sys
import time
from enum import Enum
from typing import Annotated, cast

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from tests.chaos.environment import Size, StoreKind
from tests.chaos.mishaps import KINDS, Kind, run_mishap
from tests.chaos.run import Plan, Result, run


class StoreChoice(Enum):
    """The choices of --store: the first two are the store of a run, the others what happens to one server."""

    CLUSTER = "cluster"
    SENTINEL = "sentinel"
    FULL = "full"
    EMPTIED = "emptied"
    PROMOTED = "promoted"


class DurabilityChoice(Enum):
    """The choices of --durability."""

    REPLICA = "replica"
    FSYNC = "fsync"


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
    max_minutes: Annotated[
        float, typer.Option(help="Of load, even if there were fewer events; 0 is no limit")
    ] = 0.0,
    keep: Annotated[bool, typer.Option(help="Keep the folder with the logs")] = False,
    store: Annotated[
        list[StoreChoice] | None,
        typer.Option(
            help="Cluster or Sentinel instead of one server; or what happens to one server, several in turn"
        ),
    ] = None,
    crowd: Annotated[
        float, typer.Option(help="Share of the events that are webhooks of paused shops, which cost little")
    ] = 0.0,
    durability: Annotated[
        DurabilityChoice, typer.Option(help="Of a cluster or Sentinel: fsync shows what WAIT prevents")
    ] = DurabilityChoice.REPLICA,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this kind of fault; several times for several")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Of load before and after what happens to one server")
    ] = 10.0,
) -> None:
    """Run real processes under load and faults, then check the promises."""
    console = Console()
    mishaps = [choice for choice in store or () if choice.value in KINDS]
    replicated = [choice for choice in store or () if choice not in mishaps]
    passed = True
    for mishap in mishaps:
        kind = cast("Kind", mishap.value)
        outcome = uvloop.run(
            run_mishap(kind, seed=seed or 1, seconds=seconds, customers=customers, keep=keep)
        )
        console.print(str(outcome), highlight=False)
        passed = passed and outcome.is_right
    for choice in replicated if store else [None]:
        plan = Plan(
            events=events,
            seed=seed or secrets.randbelow(10**6),
            size=Size(
                shops=shops,
                customers=customers,
                leak_per_s=leak_per_s,
                store=cast("StoreKind", choice.value if choice else "single"),
                crowd_events=int(crowd * events),
                durability=durability.value,
            ),
            per_s=per_s or float("inf"),
            mean_gap_s=mean_gap_s,
            idle_timeout_s=idle_timeout_s,
            max_load_s=60 * max_minutes or float("inf"),
            keep=keep,
            only=tuple(only or ()),
        )
        passed = _run(console, plan) and passed
    sys.exit(0 if passed else 1)


def _run(console: Console, plan: Plan) -> bool:
    """Run a plan with its progress. Whether every promise was kept."""
    console.print(f"seed {plan.seed}, {plan.size.store}")
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
    return not result.verdict.wrong


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
