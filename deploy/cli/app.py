"""Assembles the commands. Each command imports what it needs when it runs, so that all commands start quickly."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.commands import (
    audit,
    backup,
    customers,
    dead_letters,
    deliveries,
    doctor,
    events,
    explain,
    keys,
    migrate,
    replay,
    rules,
    run,
    runs,
    scan,
    shops,
    subscription,
    tokens,
    users,
)
from deploy.cli.exit_codes import UsageError, exit_with
from deploy.cli.inputs import load_env_file, settings_source
from deploy.cli.wording import (
    LANGUAGE_OPTION,
    UNKNOWN_LANGUAGE,
    choose_language,
    is_setting_known,
    take_language,
)
from service.errors import InvalidSettings
from service.sentence import Sentence

app = typer.Typer(
    name="tagger",
    help="Keeps the tags of a Haravan shop's customers in line with the rules of its marketers.",
    epilog="Exit codes: 0 success · 1 refused, or a check found problems · 2 wrong usage or settings · "
    "3 Redis does not answer · 4 Haravan refused or did not answer · 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, which may be tokens
    context_settings={"help_option_names": ["-h", "--help"]},
)

RUN = "Run"
SHOPS_AND_RULES = "Shops and rules"
INSPECT_AND_REPAIR = "Inspect and repair"

for command in (run.demo, run.up, run.web, run.worker):
    app.command(rich_help_panel=RUN)(command)
# `python -m deploy.sandbox` parses the options, so that both commands have the same ones
app.command(
    rich_help_panel=RUN,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(run.sandbox)
app.add_typer(shops.app, name="shops", rich_help_panel=SHOPS_AND_RULES)
app.add_typer(rules.app, name="rules", rich_help_panel=SHOPS_AND_RULES)
app.add_typer(subscription.app, name="subscription", rich_help_panel=SHOPS_AND_RULES)
app.add_typer(customers.app, name="customers", rich_help_panel=SHOPS_AND_RULES)
app.add_typer(tokens.app, name="tokens", rich_help_panel=SHOPS_AND_RULES)
app.add_typer(users.app, name="users", rich_help_panel=SHOPS_AND_RULES)
app.add_typer(events.app, name="events", rich_help_panel=SHOPS_AND_RULES)
app.add_typer(audit.app, name="audit", rich_help_panel=INSPECT_AND_REPAIR)
app.add_typer(keys.app, name="keys", rich_help_panel=SHOPS_AND_RULES)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(deliveries.deliveries)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(explain.explain)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=INSPECT_AND_REPAIR)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(replay.replay)
app.add_typer(runs.app, name="runs", rich_help_panel=INSPECT_AND_REPAIR)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(scan.backfill)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(scan.reconcile)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(doctor.doctor)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(backup.backup)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(backup.restore)
app.command(rich_help_panel=INSPECT_AND_REPAIR)(migrate.migrate)


def _print_version(wanted: bool) -> None:
    if wanted:
        from service.runtime import program_version

        typer.echo(f"haravan-tagger {program_version()}")
        raise typer.Exit


@app.callback()
def before_every_command(
    env_file: Annotated[
        Path | None,
        typer.Option(
            help="A file of settings (NAME=value). Environment variables win. Default: .env here or in the project."
        ),
    ] = None,
    version: Annotated[  # its callback prints it
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    lang: Annotated[  # `run_command` has taken it from the arguments, where it may stand behind the command as well
        str | None,
        typer.Option(
            LANGUAGE_OPTION,
            metavar="vi|en",
            help="The language of what is printed; may stand behind the command. Default: TAGGER_LANG, else the locale.",
        ),
    ] = None,
) -> None:
    """Load the settings file."""
    load_env_file(env_file)
    if not is_setting_known():
        raise InvalidSettings(UNKNOWN_LANGUAGE)


def run_command(arguments: Sequence[str] | None = None) -> None:
    """Run the command in these arguments, by default those of the process. Exits with a code from `exit_codes`."""
    try:
        rest, wanted = take_language(sys.argv[1:] if arguments is None else arguments)
        if not choose_language(wanted):
            raise UsageError(Sentence("{name}: use one of {choices}", name=LANGUAGE_OPTION, choices="vi, en"))
        app(args=rest, prog_name="tagger")
    except InvalidSettings as exc:
        exit_with(exc, hint=settings_source())
    except Exception as exc:  # noqa: BLE001  # the outermost frame of the process
        exit_with(exc)
