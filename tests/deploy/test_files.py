"""Deployment files agree with the code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.cli.wording import LANGUAGE_SETTING
from service.settings import read_settings
from service.store.migrations import MIGRATIONS

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = (ROOT / "deploy/env.example").read_text(encoding="utf-8")
SETTING: Final = re.compile(r"^#?([A-Z][A-Z_]+)=(.*)$", re.MULTILINE)
READ: Final = re.compile(r'reader\.\w+\(\s*"([A-Z_]+)"')


def settings_in_code() -> set[str]:
    """Those of the service, and the one of the command line."""
    return {
        *READ.findall((ROOT / "service/settings/settings.py").read_text(encoding="utf-8")),
        LANGUAGE_SETTING,
    }


def test_the_example_has_exactly_the_settings_of_the_code() -> None:
    assert {name for name, _ in SETTING.findall(EXAMPLE)} == settings_in_code()


def test_what_the_example_shows_as_defaults_are_the_defaults() -> None:
    shown = {name: value for name, value in SETTING.findall(EXAMPLE) if value}

    assert read_settings(shown) == read_settings({})


def test_the_readme_names_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert not {name for name in settings_in_code() if f"`{name}`" not in readme}


def test_redis_conf_writes_before_it_acknowledges() -> None:
    lines = (ROOT / "deploy/redis.conf").read_text(encoding="utf-8").splitlines()

    for line in (
        "appendonly yes",
        "appendfsync always",
        "aof-load-truncated no",
        "maxmemory-policy noeviction",
    ):
        assert line in lines


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements-test.txt",
        "requirements-telemetry.txt",
        "requirements-deployment.txt",
    ],
)
def test_every_pinned_package_has_a_hash_and_no_address(name: str) -> None:
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    pins = [block for block in text.split("\n") if re.match(r"^[a-z0-9]", block)]

    assert pins
    assert all(re.match(r"^[a-z0-9._-]+(\[[a-z,]+\])?==\S+ .*\\$", pin) for pin in pins), pins
    assert "://" not in text
    assert "--index-url" not in text


def test_the_pins_cover_what_the_project_asks_for() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    required = set(re.findall(r'^  "([a-z0-9-]+)[>=]', project, re.MULTILINE))
    locked = (ROOT / "deploy/requirements-deployment.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", locked, re.MULTILINE))

    assert not required - pinned


@pytest.mark.parametrize(
    "script",
    [
        "deploy/demo",
        "deploy/test",
        "deploy/tagger",
        "deploy/lock",
        "deploy/setup.sh",
        "deploy/repair-aof",
        ".ci/run",
    ],
)
def test_the_scripts_are_readable_by_any_posix_shell(script: str) -> None:
    subprocess.run(["sh", "-n", str(ROOT / script)], check=True)  # noqa: S603, S607


@pytest.mark.parametrize("script", ["deploy/demo", "deploy/test", "deploy/tagger", ".ci/run"])
def test_the_scripts_can_be_started(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111


def test_the_changelog_has_an_upgrade_note_for_each_change_of_the_layout() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    notes = re.findall(r"^### Upgrade\n(.*?)(?=^##|\Z)", changelog, re.MULTILINE | re.DOTALL)

    assert {int(number) for note in notes for number in re.findall(r"\blayout (\d+)", note)} == {
        migration.to for migration in MIGRATIONS
    }
