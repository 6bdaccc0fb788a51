"""The README names every command and switch, and the sandbox imports nothing of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

import deploy.sandbox
from deploy.sandbox.control import COMMANDS, SWITCHES

HERE = Path(deploy.sandbox.__file__).parent
NAMES = sorted({name for names in (*COMMANDS.values(), *SWITCHES.values()) for name in names})


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_names(name: str) -> None:
    assert name in (HERE / "README.md").read_text()


@pytest.mark.parametrize("path", sorted(HERE.rglob("*.py")), ids=lambda path: str(path.relative_to(HERE)))
def test_the_sandbox_imports_nothing_of_the_service(path: Path) -> None:
    lines = [line.split() for line in path.read_text().splitlines() if "import" in line]

    assert [
        line for line in lines if line[0] in {"import", "from"} and line[1].startswith(("service", "workers"))
    ] == []
