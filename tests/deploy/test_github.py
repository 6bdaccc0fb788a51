"""The workflow and the hooks: their schemas, what zizmor says of them, and whether what they run exists."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import yaml

from tests.support.processes import ROOT
from tests.support.tools import run_tool

WORKFLOW: Final = ROOT / ".github/workflows/test.yml"


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("schema", "path"),
    [("github-workflows", ".github/workflows/test.yml"), ("dependabot", ".github/dependabot.yml")],
)
def test_the_files_fit_their_schemas(schema: str, path: str) -> None:
    result = run_tool("check-jsonschema", "--builtin-schema", f"vendor.{schema}", ROOT / path)

    assert result.returncode == 0, result.stdout


def test_zizmor_finds_nothing() -> None:
    result = run_tool("zizmor", "--offline", "--quiet", WORKFLOW)

    assert result.returncode == 0, result.stdout


def test_every_action_is_named_by_its_commit() -> None:
    actions = re.findall(r"uses: (\S+)", WORKFLOW.read_text(encoding="utf-8"))

    assert actions
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in actions)


def test_the_supported_pythons_and_servers_are_tested() -> None:
    jobs = load(".github/workflows/test.yml")["jobs"]
    matrix = jobs["pythons"]["strategy"]["matrix"]
    pythons = {*matrix["python"], *(item["python"] for item in matrix["include"])}

    assert pythons == {"3.11", "3.12", "3.13", "3.14"}
    assert {*matrix["server"], *(item["server"] for item in matrix["include"])} == {"Valkey 8", "Redis 7"}


def test_the_hooks_run_the_checks_of_the_test_script() -> None:
    script = (ROOT / "deploy/test").read_text(encoding="utf-8")
    [repository] = load(".pre-commit-config.yaml")["repos"]

    for hook in repository["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f'"$BIN/{program}"' in script, hook


def test_the_hook_for_rule_authors_is_a_command() -> None:
    [hook] = load(".pre-commit-hooks.yaml")
    scripts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert hook["entry"] == "tagger rules check"
    assert 'tagger = "deploy.cli:main"' in scripts
