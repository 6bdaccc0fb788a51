"""`python -m tests.chaos.hosts`: a chaos run with a cluster on three hosts, which are cut off, separated and killed as well.

The hosts are network namespaces of this machine. Each has a web process, a worker, a primary, and a replica of another
host's primary; the first also has the Redis for the wake-ups. The sandbox is outside. Without root it says so and ends.
"""

from __future__ import annotations

import secrets
import sys
import time
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from tests.chaos.__main__ import DurabilityChoice, show
from tests.chaos.environment import Size
from tests.chaos.network import HOSTS, hosts, unavailable_reason
from tests.chaos.run import Plan, run


def main(
    *,
    events: Annotated[int, typer.Option(help="Webhooks that the shops send, echoes included")] = 20_000,
    seed: Annotated[int, typer.Option(help="0 draws one")] = 0,
    shops: int = 6,
    customers: Annotated[int, typer.Option(help="Of each shop")] = 200,
    crowd: Annotated[float, typer.Option(help="Share of the events that are webhooks of paused shops")] = 0.5,
    durability: Annotated[
        DurabilityChoice, typer.Option(help="fsync shows what WAIT prevents")
    ] = DurabilityChoice.REPLICA,
    mean_gap_s: Annotated[float, typer.Option(help="Between two faults")] = 4.0,
    idle_timeout_s: float = 600.0,
    max_minutes: Annotated[
        float, typer.Option(help="Of load, even if there were fewer events; 0 is no limit")
    ] = 0.0,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this kind of fault; several times for several")
    ] = None,
    keep: Annotated[bool, typer.Option(help="Keep the folder with the logs")] = False,
) -> None:
    """Run a cluster and the service on three hosts of this machine, under load and faults, then check the promises."""
    console = Console()
    if reason := unavailable_reason():
        console.print(f"skipped: {reason}")
        return
    plan = Plan(
        events=events,
        seed=seed or secrets.randbelow(10**6),
        size=Size(
            shops=shops,
            customers=customers,
            webs=HOSTS,
            workers=HOSTS,
            store="cluster",
            crowd_events=int(crowd * events),
            durability=durability.value,
        ),
        mean_gap_s=mean_gap_s,
        idle_timeout_s=idle_timeout_s,
        max_load_s=60 * max_minutes or float("inf"),
        keep=keep,
        only=tuple(only or ()),
    )
    console.print(f"seed {plan.seed}, a cluster on {HOSTS} hosts")
    started_s = time.monotonic()

    def report(text: str) -> None:
        console.print(f"{time.monotonic() - started_s:7.1f} s  {text}", highlight=False)

    with hosts() as network:
        result = uvloop.run(run(plan, report=report, network=network))
    show(console, plan, result)
    sys.exit(1 if result.verdict.wrong else 0)


if __name__ == "__main__":
    typer.run(main)
