"""Every text in the help of the command line, and what the sandbox prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from deploy.cli.app import build_app
from deploy.sandbox.__main__ import app as sandbox_app
from deploy.sandbox.server import TEXTS


def help_texts() -> dict[str, str]:
    """Each text with the command that shows it, of `tagger` and of `tagger sandbox`, which prints others as well."""
    found: dict[str, str] = dict.fromkeys(TEXTS, "tagger sandbox")
    for app in (build_app(), sandbox_app):
        command: Any = get_command(app)
        context = command.context_class(command, **command.context_settings)
        for where, text in _texts(command, context):
            found.setdefault(text, where)
    return found


def _texts(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    own = (command.help, command.epilog, command.short_help, command.rich_help_panel)
    options = (getattr(parameter, "help", None) for parameter in command.get_params(context))
    for text in (*own, *options):
        if isinstance(text, str) and text:
            yield context.command_path, text
    for name, inner in getattr(command, "commands", {}).items():
        yield from _texts(inner, inner.context_class(inner, info_name=name, parent=context))
