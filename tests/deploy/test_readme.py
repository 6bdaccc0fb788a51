"""The documented commands exist with their options, and the documented selections of tests select something."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

from deploy.cli.app import build_app
from deploy.cli.wording import LANGUAGE_OPTION
from deploy.sandbox.__main__ import app as sandbox_app

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = (
    "README.md",
    "deploy/RUNBOOK.md",
    "deploy/docs/testing.md",
    "deploy/docs/backup.md",
    "deploy/docs/events.md",
    "deploy/docs/rules.md",
    "deploy/docs/rules.vi.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "deploy/docs").glob("[ht]*/*.md"))),
    "deploy/sandbox/README.md",
    "deploy/env.example",
    "deploy/test",
)
TEXT: Final = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)
# in a code block, two or more spaces separate a command from its description
TAGGER: Final = re.compile(r"(?:(?<=`)|^|(?<=: ))(?:\./deploy/)?tagger (.+?)(?=`|  |$)", re.MULTILINE)
TESTS: Final = re.compile(r"(?<=\./deploy/test )tests.*?(?=`|  |$)", re.MULTILINE)
PROGRAMS: Final = re.compile(r"python -m (tests\..+?)(?=`|  |$)", re.MULTILINE)


def documented(pattern: re.Pattern[str]) -> list[str]:
    return sorted({match.strip() for match in pattern.findall(TEXT)})


@cache
def tagger() -> Any:
    """The whole command, which takes a while to make."""
    return typer.main.get_command(build_app())


@pytest.mark.parametrize("arguments", documented(TESTS))
def test_a_documented_selection_of_tests_selects_something(arguments: str) -> None:
    collected = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *shlex.split(arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert collected.returncode == 0, collected.stdout


@pytest.mark.parametrize("words", documented(TAGGER))
def test_a_documented_command_exists_with_its_options(words: str) -> None:
    command, rest = tagger(), words.split()
    if rest[0] == "sandbox":
        command, rest = typer.main.get_command(sandbox_app), rest[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]

    options = {name for parameter in command.params for name in parameter.opts} | {LANGUAGE_OPTION}
    assert command.name != "tagger", f"there is no command {words!r}"
    assert not rest or not hasattr(command, "commands"), f"there is no command {words!r}"
    assert {word for word in rest if word.startswith("--")} <= options


@pytest.mark.parametrize("words", documented(PROGRAMS))
def test_a_documented_program_of_the_tests_exists_with_its_options(words: str) -> None:
    name, *rest = words.split()
    module = ROOT / name.replace(".", "/")
    file = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    source = file.read_text(encoding="utf-8")

    for option in (word for word in rest if word.startswith("--")):
        assert option in source or option.removeprefix("--").replace("-", "_") in source


def test_documented_commands_are_found() -> None:
    assert "deliveries ORG --customer 123" in documented(TAGGER)
    assert "tests/domain -k guard" in documented(TESTS)
    assert "tests/reference -m slow" in documented(TESTS)
    assert "tests.model --slow" in documented(PROGRAMS)
