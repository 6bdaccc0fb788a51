"""`tagger demo|up|web|worker|sandbox`: the long-running commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from deploy.cli.access import run


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Play one fixed day, check every customer's tags, exit 0 or 1.")
    ] = False,
    customers: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many customers the shop has.")
    ] = 500,
    port: Annotated[int, typer.Option(help="Of the web process; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Another number makes another shop and another day.")] = 1,
) -> None:
    """Watch signed webhooks of a simulated Haravan shop turn into tags."""
    from deploy.demonstration import Options, demonstrate

    raise typer.Exit(run(demonstrate(Options(once=once, customers=customers, port=port, seed=seed))))


def up() -> None:
    """Web, worker and, without REDIS_URL, a store of their own: the whole service in one go."""
    from deploy.everything import run_everything

    raise typer.Exit(run(run_everything(dict(os.environ))))


def web() -> None:
    """The web process alone: takes webhooks (the Procfile's `web`)."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "service"])  # noqa: S606  # becomes it, so that signals reach it


def worker() -> None:
    """The worker alone: fetches, decides, writes tags (the Procfile's `worker`)."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers"])  # noqa: S606  # likewise


def sandbox(ctx: typer.Context) -> None:
    """Run a simulated Haravan shop: both customer APIs, webhooks, call limit and faults on request."""
    from deploy.sandbox.__main__ import app as sandbox_app

    sandbox_app(args=ctx.args, prog_name="tagger sandbox")
