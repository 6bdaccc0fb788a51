"""The settings file: NAME=value lines that stand behind the environment, as honcho and compose read them."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from service.errors import BadSettings, Unreadable
from service.files import read_text


def load(path: Path | None, environ: MutableMapping[str, str] | None = None) -> None:
    """Take over what `path` sets and the environment does not. Without a path: `./.env`, where there is one.

    Raises BadSettings, naming the line and never a value.
    """
    target = os.environ if environ is None else environ
    file = path or Path(".env")
    if not file.is_file():
        if path is not None:
            raise BadSettings(f"there is no settings file {path}")
        return
    try:
        text = read_text(file)
    except Unreadable as exc:
        raise BadSettings(str(exc)) from exc
    for name, value in parsed(text, source=str(file)):
        target.setdefault(name, value)


def parsed(text: str, *, source: str) -> Iterator[tuple[str, str]]:
    """The names and values of a settings file: `#` begins a comment line, quotes around a value are dropped."""
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip().removeprefix("export ").strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip().isidentifier():
            raise BadSettings(f"{source}, line {number}: expected NAME=value")
        yield name.strip(), _unquoted(value.strip())


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
