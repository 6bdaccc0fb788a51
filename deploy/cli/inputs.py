"""What people type or pipe in: times, fields, secrets, rules files, and the settings file."""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from deploy.cli.exit_codes import UsageError
from deploy.cli.output import PERSONAL_FIELDS
from deploy.cli.wording import translate, translator
from deploy.local import error_console, project_folder
from service.errors import InvalidSettings, MalformedData
from service.sentence import Sentence

if TYPE_CHECKING:
    from service.domain.access import Actor, Role
    from service.domain.rules import RuleSet

RulesFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A rules document (YAML or JSON); - reads stdin.")
]
RulesFiles = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Rules documents (YAML or JSON); - reads stdin.")
]

UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_chosen_files: Final[list[Path]] = []  # the settings file of this process, as it was asked for or found
_AGO: Final = re.compile(r"(\d{1,6})\s*([smhd])")


def load_env_file(path: Path | None, environ: MutableMapping[str, str] | None = None) -> None:
    """Set the variables of a settings file that the environment does not set.

    Default: `.env` in the current folder, otherwise in the project's folder, if one exists. Raises InvalidSettings,
    which names the line but never a value.
    """
    target = os.environ if environ is None else environ
    file = path or next(filter(Path.is_file, default_env_files()), None)
    _chosen_files.clear()
    if file is None:
        return
    _chosen_files.append(file)
    if not file.is_file():
        raise InvalidSettings(Sentence("there is no settings file {path}", path=str(path)))
    from dotenv.parser import parse_stream  # only now, because commands without a file should start quickly

    from service.runtime import read_text

    try:
        text = read_text(file)
    except MalformedData as exc:
        raise InvalidSettings(exc.message) from exc
    for binding in parse_stream(StringIO(text)):
        if binding.key is None and not binding.error:
            continue  # a comment or an empty line
        if binding.key is None or binding.value is None or not binding.key.isidentifier():
            raise InvalidSettings(
                Sentence(
                    "{file}, line {line}: expected NAME=value", file=str(file), line=binding.original.line
                )
            )
        target.setdefault(binding.key, binding.value)


def default_env_files() -> list[Path]:
    """Where settings are looked for without `--env-file`."""
    return [folder / ".env" for folder in dict.fromkeys((Path.cwd(), project_folder()))]


def settings_source() -> str:
    """Where the settings of this process came from, or where a settings file was looked for."""
    files = ", ".join(map(str, _chosen_files or default_env_files()))
    if any(map(Path.is_file, _chosen_files)):
        return translate("(Settings: read from the environment and {file})", file=files)
    return translate("(Settings: read from the environment; no file was found: {files})", files=files)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as a person writes it: a number of ms ago, or ms since 1970."""

    value_ms: int
    is_ago: bool

    def to_ms(self, *, now_ms: int) -> int:
        """Milliseconds since 1970."""
        return now_ms - self.value_ms if self.is_ago else self.value_ms


def parse_time(text: str) -> Moment:
    """The moment of `90s`, `30m`, `2h`, `3d` (ago) or of an ISO date or time. Raises UsageError.

    A time without an offset is in this machine's time zone.
    """
    ago = _AGO.fullmatch(text.strip().removesuffix("ago").strip())
    if ago:
        return Moment(int(ago[1]) * UNIT_SECONDS[ago[2]] * 1000, is_ago=True)
    try:
        return Moment(int(datetime.fromisoformat(text.strip()).astimezone().timestamp() * 1000), is_ago=False)
    except (ValueError, OverflowError, OSError) as exc:
        raise UsageError(
            Sentence("{text!r} is not a time: write 30m, 2h, 3d, or 2026-11-21T08:30", text=text)
        ) from exc


ONE_DAY: Final = Moment(24 * UNIT_SECONDS["h"] * 1000, is_ago=True)


def parse_date(text: str) -> date:
    """A date such as 2026-12-01. Raises UsageError."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError as exc:
        raise UsageError(Sentence("{text!r} is not a date: write 2026-12-01", text=text)) from exc


def read_fields(assignments: Iterable[str], file: str) -> dict[str, Any]:
    """The fields of `--set name=value` and of a JSON file (- is stdin); `--set` wins. Raises UsageError.

    Personal data is accepted only from the file or stdin, because arguments are visible in process lists and in
    shell histories.
    """
    fields = _read_json_object(file) if file else {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(Sentence("write --set FIELD=VALUE"))
        if name.strip() in PERSONAL_FIELDS:
            raise UsageError(
                Sentence(
                    '{name} is personal data and must not be an argument of a command. Give it as JSON, for example: echo \'{{"{name}": "…"}}\' | tagger customers … --file -',
                    name=name.strip(),
                )
            )
        fields[name.strip()] = _json_or_text(value)
    if not fields:
        raise UsageError(Sentence("no field was given: use --set FIELD=VALUE or --file FILE"))
    return fields


def parse_role(text: str) -> Role:
    """A role by its name. Raises UsageError."""
    from service.domain.access import Role

    try:
        return Role(text)
    except ValueError as exc:
        raise UsageError(
            Sentence("there is no role {text!r}: use {roles}", text=text, roles=", ".join(Role))
        ) from exc


def read_secret(label: Sentence, *, from_stdin: bool) -> str:
    """Read one secret from a line of stdin or from a hidden prompt, never from an argument. Raises UsageError."""
    if from_stdin:
        value = sys.stdin.readline().strip()
    elif sys.stdin.isatty():
        value = str(typer.prompt(label.text(translator()), hide_input=True, err=True)).strip()
    else:
        raise UsageError(
            Sentence(
                "{label}: there is no terminal for a prompt; write it to stdin and add --token-stdin",
                label=label,
            )
        )
    if not value:
        raise UsageError(Sentence("{label}: the input is empty", label=label))
    return value


def read_rules_file(file: Path) -> RuleSet:
    """Parse a rules file. If it has errors, print all of them in the reader's language and exit with 1."""
    from service.domain.documents import InvalidRules, parse_rules
    from service.runtime import read_text

    text = sys.stdin.read() if str(file) == "-" else read_text(file)
    try:
        return parse_rules(text)
    except InvalidRules as exc:
        words = translator()
        for problem in exc.problems:
            error_console().print(f"{file}: {problem.text(words)}")
        error_console().print(
            words("check.failed", file=file, errors=words.plural("errors", len(exc.problems)))
        )
        raise typer.Exit(1) from exc


def current_actor() -> Actor:
    """The user of this process, for histories and audit entries."""
    from service.domain.access import shell_user

    try:
        return shell_user(getpass.getuser())
    except (OSError, KeyError):  # a container's user may have no name
        return shell_user("command line")


def _json_or_text(text: str) -> Any:
    """The value as JSON if it is valid JSON (true, null, numbers, objects), otherwise as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read_json_object(file: str) -> dict[str, Any]:
    from service.runtime import read_text

    text = sys.stdin.read() if file == "-" else read_text(Path(file))
    try:
        content = json.loads(text)
    except ValueError as exc:
        raise UsageError(Sentence("{file} is not JSON", file=file)) from exc
    if not isinstance(content, dict):
        raise UsageError(Sentence("{file} does not contain a JSON object", file=file))
    return content
