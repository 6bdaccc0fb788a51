"""`tagger demo|up|web|worker|sandbox`: the long-running commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path
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


def sandbox(
    port: Annotated[int, typer.Option(help="Where it listens.")] = 8800,
    host: Annotated[str, typer.Option(help="On which address.")] = "127.0.0.1",
    customers: Annotated[
        int, typer.Option(min=0, max=200_000, help="How many customers it begins with.")
    ] = 500,
    seed: Annotated[int, typer.Option(help="Another number makes other customers.")] = 1,
    org: Annotated[str, typer.Option(help="The shop's org id.")] = "1000000001",
    webhook_url: Annotated[str, typer.Option(help="Where its webhooks go.")] = "",
    verify_token: Annotated[
        str, typer.Option(help="The handshake's word, as typed into the dashboard.")
    ] = "",
    state: Annotated[Path | None, typer.Option(help="Keep the shop in this file between runs.")] = None,
) -> None:
    """A Haravan shop in a box: both customer APIs, webhooks, limits and faults, for development and tests.

    Its token is token-1 and its webhook secret secret-1. What it can do: GET /_sandbox/
    """
    from deploy.boxed import run_sandbox

    run(
        run_sandbox(
            host=host,
            port=port,
            customers=customers,
            seed=seed,
            org=org,
            webhook_url=webhook_url or None,
            verify_token=verify_token or None,
            state_file=state,
        )
    )
