"""The systemd units: what systemd-analyze says of them, and the messages of a real process."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from service.runtime import systemd
from tests.support.ports import free_port
from tests.support.processes import ROOT, python_process
from tests.support.shop import KEY
from tests.support.tools import run
from tests.support.valkey import valkey

UNITS: Final = ROOT / "deploy/systemd"
ANALYZE: Final = shutil.which("systemd-analyze") or ""
MAX_EXPOSURE: Final = 2.0
needs_systemd: Final = pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with a program that exists here."""
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            path.write_text(
                text.replace("/opt/haravan-tagger/.venv/bin/python", sys.executable), encoding="utf-8"
            )
    return tmp_path


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"SYSTEMD_UNIT_PATH": f"{folder}:/lib/systemd/system:/usr/lib/systemd/system"}
    return run([ANALYZE, *arguments], environ=environ)


@needs_systemd
@pytest.mark.parametrize(
    "unit", ["web.service", "console.service", "worker.service", "worker-2.service", "backup.timer"]
)
def test_systemd_accepts_the_units(installed: Path, unit: str) -> None:
    result = analyze(installed, "verify", "--man=no", str(installed / f"haravan-tagger@{unit}"))

    ours = [line for line in result.stderr.splitlines() if "haravan-tagger" in line]
    assert ours == []


@needs_systemd
@pytest.mark.parametrize("part", ["worker", "backup"])
def test_a_process_can_do_little_outside_its_task(installed: Path, part: str) -> None:
    result = analyze(installed, "security", "--offline=true", f"haravan-tagger@{part}.service")

    found = re.search(r"exposure level for \S+: (\d+\.\d+)", result.stdout)
    assert found, result.stdout + result.stderr
    assert float(found[1]) <= MAX_EXPOSURE


def test_the_parts_serve_what_the_proxy_expects() -> None:
    caddyfile = (ROOT / "deploy/Caddyfile").read_text(encoding="utf-8")
    web = (UNITS / "haravan-tagger@web.service.d/part.conf").read_text(encoding="utf-8")
    console = (UNITS / "haravan-tagger@console.service.d/part.conf").read_text(encoding="utf-8")

    assert "SERVE=webhooks HOST=127.0.0.1 PORT=8000" in web
    assert "{$WEBHOOKS_ADDRESS:127.0.0.1:8000}" in caddyfile
    assert "SERVE=console HOST=127.0.0.1 PORT=8001" in console


@pytest.mark.process
@pytest.mark.parametrize("module", ["service", "workers"])
async def test_a_process_says_when_it_is_ready_and_when_it_stops(module: str, tmp_path: Path) -> None:
    data = tmp_path / "store"
    data.mkdir()
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        valkey(data, fsync="always") as redis_url,
    ):
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(120)
        environ = {
            "REDIS_URL": redis_url,
            "SECRET_KEY": KEY,
            "PORT": str(free_port()),
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": str(int(systemd.MIN_INTERVAL_S * 2_000_000)),
        }
        with python_process("-m", module, environ=environ, log=tmp_path / "log") as process:
            seen = {await asyncio.to_thread(receiver.recv, 100), await asyncio.to_thread(receiver.recv, 100)}
            assert seen == {b"READY=1", b"WATCHDOG=1"}
            process.terminate()
            while (message := await asyncio.to_thread(receiver.recv, 100)) == b"WATCHDOG=1":
                pass
            assert message == b"STOPPING=1"
