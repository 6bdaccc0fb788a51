"""The scheduled backup of compose, of the chart and of systemd: their commands are run, and the doctor knows the schedule."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from service.store.backup import status
from service.store.client import RedisClient
from tests.support.processes import ROOT
from tests.support.shop import KEY
from tests.support.tools import run

DAY_S: Final = 24 * 3_600
PART: Final = ROOT / "deploy/systemd/haravan-tagger@backup.service.d/part.conf"

Commands = list[list[str]]


def of_compose(folder: Path) -> Commands:
    """The loop of the service `backup`; it ends where it would sleep."""
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
    *shell, text = compose["services"]["backup"]["command"]
    text = text.replace("$$", "$").replace("sleep 86400", "exit 0").replace("sleep 600", "exit 1")
    return [[*shell, placed(text, folder, key="/run/secrets/backup_key")]]


def of_the_chart(folder: Path) -> Commands:
    helm = pytest.importorskip("helm_python", reason="see deploy/requirements-deployment.txt")
    with helm.Chart.load(str(ROOT / "deploy/helm/haravan-tagger")) as chart:
        files = chart.render({"backup": {"enabled": True}}, name="tagger", namespace="shop")
    [text] = [text for name, text in files.items() if name.endswith("backup.yaml")]
    [job] = [item for item in yaml.safe_load_all(text) if item and item["kind"] == "CronJob"]
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    *shell, text = container["command"]
    return [[*shell, placed(text, folder, key="/run/secrets/backup/backup.key")]]


def of_systemd(_: Path) -> Commands:
    lines = PART.read_text(encoding="utf-8").splitlines()
    texts = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=/")]
    return [
        shlex.split(
            text.replace("$$", "$")
            .replace("%%", "%")
            .replace("/opt/haravan-tagger/.venv/bin/python", sys.executable)
        )
        for text in texts
    ]


def placed(text: str, folder: Path, *, key: str) -> str:
    """The command with its files in this folder."""
    return text.replace(key, str(folder / "backup.key")).replace("/backups", str(folder))


def backups(folder: Path) -> set[Path]:
    return set(folder.glob("tagger-*.backup"))


@pytest.mark.process
@pytest.mark.one_server
@pytest.mark.parametrize("commands", [of_compose, of_the_chart, of_systemd])
async def test_a_scheduled_backup_is_written_and_old_ones_are_deleted(
    commands: Callable[[Path], Commands], redis: RedisClient, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "backup.key").write_text(f"{'a1' * 32}\n", encoding="utf-8")
    old, kept = tmp_path / "tagger-old.backup", tmp_path / "tagger-kept.backup"
    for file, days in ((old, 32), (kept, 20)):
        file.touch()
        os.utime(file, (time.time() - days * DAY_S,) * 2)
    tagger = tmp_path / "bin/tagger"
    tagger.parent.mkdir()
    tagger.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m deploy.cli "$@"\n', encoding="utf-8")
    tagger.chmod(0o755)
    environ: dict[str, Any] = {
        "PATH": f"{tagger.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "REDIS_URL": redis_url,
        "SECRET_KEY": KEY,
        "STATE_DIRECTORY": str(tmp_path),
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }

    for command in commands(tmp_path):
        result = run(list(command), environ=environ, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr

    [new] = backups(tmp_path) - {old, kept}
    assert new.stat().st_size > 0
    assert new.stat().st_mode & 0o077 == 0
    assert (old.exists(), kept.exists()) == (False, True)
    saved = await status.load(redis)
    assert saved is not None
    assert saved.every_h == 24
