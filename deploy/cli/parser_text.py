"""What the parser of the command line says itself, in Vietnamese: help, its own words, and errors of usage.

The parser has English words in its code, and no way to set others for one run. So the texts of the commands are replaced
before they run, and an error is translated by its English text. A text without a translation stays English.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
from typer import rich_utils
from typer.main import get_command

from deploy.cli.wording import deferred, translate, translator

USAGE: Final = deferred("Usage:")
ERRORS: Final = (
    deferred("{error} Did you mean {choices}?"),
    deferred("{error} (Possible options: {choices})"),
    deferred("Invalid value for {name}: {reason}"),
    deferred("Invalid value: {reason}"),
    deferred("Value {value} is not a valid {kind}."),
    deferred("No such option: {name}"),
    deferred("No such command {name}."),
    deferred("Missing command."),
    deferred("Missing argument {name}."),
    deferred("Missing option {name}."),
    deferred("Got unexpected extra argument(s) ({names})"),
    deferred("Option {name} requires an argument."),
    deferred("Option {name} does not take a value."),
    deferred("Input should be a valid integer, unable to parse string as an integer"),
    deferred("Input should be greater than or equal to {limit}"),
    deferred("Input should be less than or equal to {limit}"),
)
TITLES: Final = {
    "OPTIONS_PANEL_TITLE": deferred("Options"),
    "ARGUMENTS_PANEL_TITLE": deferred("Arguments"),
    "COMMANDS_PANEL_TITLE": deferred("Commands"),
    "REQUIRED_LONG_STRING": deferred("[required]"),
    "DEFAULT_STRING": deferred("[default: {}]"),
}


def run_translated(app: typer.Typer, arguments: Sequence[str], *, name: str) -> None:
    """Run the command in these arguments, and exit. Everything that the parser prints is translated.

    The command finds what translates a text in `ctx.obj`: a program of its own may not know our catalogs.
    """
    command: Any = get_command(app)
    translate_command(command, command.context_class(command, info_name=name, **command.context_settings))
    english = {title: getattr(rich_utils, title) for title in TITLES}
    for title, text in TITLES.items():
        setattr(rich_utils, title, _translated(text))
    try:
        code = command(args=list(arguments), prog_name=name, standalone_mode=False, obj=_translated)
    except typer.TyperException as exc:
        code = exc.exit_code
        print_error(exc)
    except typer.Abort:
        code = 1
        print(translate("Stopped."), file=sys.stderr)
    finally:
        for title, text in english.items():
            setattr(rich_utils, title, text)
    raise SystemExit(code or 0)


def translate_command(command: Any, context: Any) -> None:
    """Translate the help of a command, its options, and the commands in it."""
    command.help, command.epilog = map(_translated, (command.help, command.epilog))
    command.short_help = _translated(command.short_help)
    command.rich_help_panel = _translated(command.rich_help_panel)
    for parameter in command.get_params(context):
        if getattr(parameter, "help", None):
            parameter.help = _translated(parameter.help)
    usage = command.get_usage
    command.get_usage = lambda ctx: usage(ctx).replace(USAGE, _translated(USAGE), 1)
    for name, inner in getattr(command, "commands", {}).items():
        translate_command(inner, inner.context_class(inner, info_name=name, parent=context))


def print_error(error: Any) -> None:
    """Print an error of usage on stderr. One without arguments has shown the help already."""
    text = error.format_message()
    if not text:
        return
    print(translate_error(text), file=sys.stderr)
    if error.ctx is not None:
        print(translate("Help: {command}", command=f"{error.ctx.command_path} --help"), file=sys.stderr)


def translate_error(text: str) -> str:
    """An error of the parser in the language of this command; as it is if we do not know it."""
    for template in ERRORS:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template))
        if found := re.fullmatch(pattern, text, re.DOTALL):
            parts = {
                name: translate_error(value) if name in ("error", "reason") else value
                for name, value in found.groupdict().items()
            }
            return translate(template, **parts)
    return text


def _translated(text: Any) -> Any:
    """The text in the language of this command; anything else, and a text that nobody translated, as it is."""
    words = translator()
    return words.catalog.gettext(text) if isinstance(text, str) and words.has(text) else text
