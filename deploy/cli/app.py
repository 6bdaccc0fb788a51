"""Puts the commands together. Each group is a module; what a command needs is imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli import (
    bench,
    customers,
    dead_letters,
    deliveries,
    doctor,
    explain,
    processes,
    replay,
    rules,
    shops,
    subscription,
    walks,
)
from deploy.cli.endings import end_with
from deploy.cli.environment import load

app = typer.Typer(
    name="tagger",
    help="Keeps customers' tags in a Haravan shop true to rules that marketers edit.",
    epilog="Exit codes: 0 done · 1 refused, or problems found · 2 wrong usage or settings · 3 the store is away · "
    "4 Haravan did not do it · 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables: tokens would be among them
    context_settings={"help_option_names": ["-h", "--help"]},
)

RUNNING = "Running"
SHOPS = "Shops and rules"
SEEING = "Seeing and repairing"

for command in (processes.demo, processes.up, processes.web, processes.worker):
    app.command(rich_help_panel=RUNNING)(command)
# `python -m deploy.sandbox` parses the options, so that both commands have the same ones
app.command(
    rich_help_panel=RUNNING,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(processes.sandbox)
app.command(rich_help_panel=RUNNING)(bench.bench)
app.add_typer(shops.app, name="shops", rich_help_panel=SHOPS)
app.add_typer(rules.app, name="rules", rich_help_panel=SHOPS)
app.add_typer(subscription.app, name="subscription", rich_help_panel=SHOPS)
app.add_typer(customers.app, name="customers", rich_help_panel=SHOPS)
app.command(rich_help_panel=SEEING)(deliveries.deliveries)
app.command(rich_help_panel=SEEING)(explain.explain)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=SEEING)
app.command(rich_help_panel=SEEING)(replay.replay)
app.command(rich_help_panel=SEEING)(walks.backfill)
app.command(rich_help_panel=SEEING)(walks.reconcile)
app.command(rich_help_panel=SEEING)(doctor.doctor)


@app.callback()
def everywhere(
    env_file: Annotated[
        Path | None,
        typer.Option(
            help="Settings, as NAME=value lines; the environment comes before them. Default: ./.env"
        ),
    ] = None,
) -> None:
    """What every command does first."""
    load(env_file)


def run(words: Sequence[str] | None = None) -> None:
    """Run the command of these words, or of the process's arguments; a failure is one clear message and a code."""
    try:
        app(args=words, prog_name="tagger")
    except Exception as exc:  # noqa: BLE001  # the process's outermost frame
        end_with(exc)
