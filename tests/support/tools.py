"""Tools of other projects that check a file of ours. They are in deploy/requirements-deployment.txt."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest


def run_tool(
    name: str, *arguments: str | Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment. Skips the test if it is not installed."""
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        pytest.skip(f"{name} is not installed: deploy/requirements-deployment.txt")
    return run([program, *arguments], environ=environ)


def run(
    command: list[str | Path], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it printed."""
    return subprocess.run(command, check=False, env=environ, cwd=cwd, capture_output=True, text=True)  # noqa: S603
