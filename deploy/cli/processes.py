"""`tagger demo|up|web|worker|sandbox`: the long-running commands."""

from __future__ import annotations

import os
import sys

import typer

from deploy.cli.access import run


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
