"""Assembles the commands. Each command imports what it needs when it runs, so that all commands start quickly.

Only the modules of the commands that the arguments name are imported: the others would take a seventh of the time of
`tagger explain`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.cli.exit_codes import UsageError, exit_with
from deploy.cli.inputs import load_env_file, settings_source
from deploy.cli.wording import (
    LANGUAGE_OPTION,
    UNKNOWN_LANGUAGE,
    choose_language,
    deferred,
    is_setting_known,
    language,
    take_language,
)
from service.errors import InvalidSettings
from service.sentence import Sentence

RUN: Final = deferred("Run")
SHOPS_AND_RULES: Final = deferred("Shops and rules")
INSPECT_AND_REPAIR: Final = deferred("Inspect and repair")
# Each command or group with its panel, and its module if that has another name. In the order of the help.
COMMANDS: Final = {
    **dict.fromkeys(("demo", "up", "web", "worker", "sandbox"), (RUN, "run")),
    "shops": (SHOPS_AND_RULES, ""),
    "rules": (SHOPS_AND_RULES, ""),
    "subscription": (SHOPS_AND_RULES, ""),
    "customers": (SHOPS_AND_RULES, ""),
    "tokens": (SHOPS_AND_RULES, ""),
    "users": (SHOPS_AND_RULES, ""),
    "events": (SHOPS_AND_RULES, ""),
    "audit": (INSPECT_AND_REPAIR, ""),
    "keys": (SHOPS_AND_RULES, ""),
    "deliveries": (INSPECT_AND_REPAIR, ""),
    "explain": (INSPECT_AND_REPAIR, ""),
    "dead-letters": (INSPECT_AND_REPAIR, "dead_letters"),
    "replay": (INSPECT_AND_REPAIR, ""),
    "runs": (INSPECT_AND_REPAIR, ""),
    "backfill": (INSPECT_AND_REPAIR, "scan"),
    "reconcile": (INSPECT_AND_REPAIR, "scan"),
    "doctor": (INSPECT_AND_REPAIR, ""),
    "backup": (INSPECT_AND_REPAIR, ""),
    "restore": (INSPECT_AND_REPAIR, "backup"),
    "migrate": (INSPECT_AND_REPAIR, ""),
    "store": (INSPECT_AND_REPAIR, ""),
}


def build_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """The program with the commands that these arguments name, or with all commands if they name none."""
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
    app.callback()(before_every_command)
    for name in [name for name in COMMANDS if name in arguments] or COMMANDS:
        panel, module = COMMANDS[name]
        commands = import_module(f"deploy.cli.commands.{module or name}")
        if hasattr(commands, "app"):
            app.add_typer(commands.app, name=name, rich_help_panel=panel)
        elif name == "sandbox":
            # `python -m deploy.sandbox` parses the options, so that both commands have the same ones
            settings = {"allow_extra_args": True, "ignore_unknown_options": True}
            app.command(name, rich_help_panel=panel, add_help_option=False, context_settings=settings)(
                commands.sandbox
            )
        else:
            app.command(name, rich_help_panel=panel)(getattr(commands, name))
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from service.runtime import program_version

        typer.echo(f"haravan-tagger {program_version()}")
        raise typer.Exit


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
        if language() == "en":
            build_app(rest)(args=rest, prog_name="tagger")
        else:
            from deploy.cli.parser_text import run_translated

            run_translated(build_app(rest), rest, name="tagger")
    except InvalidSettings as exc:
        exit_with(exc, hint=settings_source())
    except Exception as exc:  # noqa: BLE001  # the outermost frame of the process
        exit_with(exc)
