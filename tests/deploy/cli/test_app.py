"""The program `tagger` itself."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from deploy.cli.app import COMMANDS, build_app
from tests.deploy.cli.environment import run_in_process


async def test_the_program_itself_starts_and_names_every_group() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "deploy.cli", "--help"),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "COLUMNS": "160"},
    )
    out, _ = await process.communicate()

    assert process.returncode == 0
    for group in (
        "up",
        "shops",
        "rules",
        "subscription",
        "customers",
        "deliveries",
        "dead-letters",
        "replay",
    ):
        assert f" {group} " in out.decode()


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]

    result = run_in_process(["--version"], "")

    assert (result.code, result.out) == (0, f"haravan-tagger {project['version']}\n")


async def test_a_command_starts_without_the_programs_of_the_service() -> None:
    """They would double the time until `tagger explain` says its first word."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-P", "-m", "deploy.cli", "explain", "1", "2"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "REDIS_URL": "redis://127.0.0.1:1"},
    )
    _, err = await process.communicate()

    assert process.returncode == 3  # as far as Redis
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in err.decode().splitlines()}
    assert "redis" in imported
    assert imported.isdisjoint(
        {
            "aiohttp",
            "apprise",
            "jinja2",
            "opentelemetry",
            "prometheus_client",
            "starlette",
            "uvicorn",
            "workers",
        }
    )


def test_each_command_is_where_the_table_says() -> None:
    whole: Any = get_command(build_app())

    for name in COMMANDS:
        alone: Any = get_command(build_app([name]))
        assert list(alone.commands) == [name]
        assert alone.commands[name].get_short_help_str() == whole.commands[name].get_short_help_str()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["explian"], ["--env-file", "x"]], ids=str)
def test_without_a_known_command_there_are_all_of_them(arguments: list[str]) -> None:
    whole: Any = get_command(build_app(arguments))

    assert whole.commands.keys() == COMMANDS.keys()
