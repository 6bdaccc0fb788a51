"""The tutorial: every command of the page is executed as it is printed, against the sandbox, and prints what the page says.

The page runs in a copy of the project, because `tagger up` stores its data in the project's folder. Only the two ports
differ: others may use those of the page.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from deploy.local.supervisor import die_with_parent
from service.domain.explain import LANGUAGES
from tests.support.ports import free_port

ROOT: Final = Path(__file__).parents[3]
TUTORIALS: Final = {"en": "first-shop.md", "vi": "first-shop.vi.md"}
STEP: Final = re.compile(
    r"<!-- terminal (\d)(?: until (?P<until>[^>]+?))?(?: exits (?P<code>\d))?(?: within (?P<within>\d+) s)? -->\n```sh\n(?P<commands>.*?)^```\n"
    r"(?:\s*```text\n(?P<output>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
LANGUAGE: Final = {"en": "C.UTF-8", "vi": "vi_VN.UTF-8"}
START_TIMEOUT_S: Final = 90.0  # on a busy machine
COMMAND_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """One block of the page. `until`: what a command that goes on running prints when it is ready.

    `within_s`: a person repeats it until it prints what the page says.
    """

    commands: str
    until: str
    code: int
    within_s: int
    output: tuple[str, ...]


def steps(page: str) -> list[Step]:
    text = (ROOT / "deploy/docs/tutorial" / page).read_text(encoding="utf-8")
    return [
        Step(
            found["commands"],
            found["until"] or "",
            int(found["code"] or 0),
            int(found["within"] or 0),
            tuple((found["output"] or "").splitlines()),
        )
        for found in STEP.finditer(text)
    ]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project with `./deploy/tagger`, which runs the interpreter of this test."""
    folder = tmp_path / "haravan-tagger"
    for name in ("service", "workers", "deploy"):
        shutil.copytree(ROOT / name, folder / name)  # with what is compiled
    shutil.copy(ROOT / "pyproject.toml", folder)
    tagger = folder / "deploy/tagger"
    tagger.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m deploy.cli "$@"\n', encoding="utf-8")
    return folder


@pytest.fixture
def terminals() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The commands that go on running. They get Ctrl-C at the end, the last one first."""
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in reversed(running):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


@pytest.mark.process
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_of_the_tutorial_works_as_printed(
    language: str, checkout: Path, terminals: list[subprocess.Popen[bytes]]
) -> None:
    ports = {"8000": str(free_port()), "8800": str(free_port())}
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(checkout),
        "PYTHONPATH": str(checkout),
        "LANG": LANGUAGE[language],
        "COLUMNS": "200",
    }

    for number, step in enumerate(steps(TUTORIALS[language])):
        commands = re.sub(r"\b8[08]00\b", lambda found: ports[found[0]], step.commands)
        if step.until:
            if "sandbox" in commands:
                commands = commands.replace("sandbox", f"sandbox --port {ports['8800']}")
            else:
                environ["PORT"] = ports["8000"]
            log = checkout / f"terminal-{number}.log"
            terminals.append(start(commands, checkout, environ, log))
            wait_for(step.until, log)
            continue
        expected = [re.sub(r"\b8[08]00\b", lambda found: ports[found[0]], line) for line in step.output]
        end = time.monotonic() + step.within_s
        while True:
            code, printed = run(commands, checkout, environ)
            if code == step.code and all(line in printed for line in expected):
                break
            assert time.monotonic() < end, f"{commands}\nexits with {code}\n{printed}"


def run(commands: str, folder: Path, environ: dict[str, str]) -> tuple[int, str]:
    """Run commands as a shell does; returns their exit code and what they print."""
    done = subprocess.run(  # noqa: S602  # the page's own commands
        commands,
        shell=True,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_both_tutorials_have_the_same_commands() -> None:
    english, vietnamese = (
        [(step.commands, step.code) for step in steps(TUTORIALS[language])] for language in ("en", "vi")
    )

    assert english == vietnamese
    assert len(english) >= 12


def start(commands: str, folder: Path, environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Run commands in a session of their own, as a terminal does."""
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S602
            f"exec {commands.strip()}",
            shell=True,
            cwd=folder,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # it calls one C function
        )


def wait_for(text: str, log: Path) -> None:
    """Wait until a terminal shows this text."""
    end = time.monotonic() + START_TIMEOUT_S
    while text not in (shown := log.read_text(encoding="utf-8", errors="replace")):
        assert time.monotonic() < end, shown
        time.sleep(0.05)
