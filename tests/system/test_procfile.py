"""Honcho starts the processes of the Procfile."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx2
import pytest

from tests.support.ports import free_port
from tests.support.processes import ROOT, python_process
from tests.support.shop import KEY
from tests.support.valkey import valkey
from tests.support.wait import wait_until


@pytest.mark.process
@pytest.mark.timeout(600)
async def test_honcho_starts_web_and_worker(tmp_path: Path) -> None:
    port, log, data = free_port(), tmp_path / "log", tmp_path / "store"
    data.mkdir()
    arguments = ("-m", "honcho", "-d", str(ROOT), "-e", os.devnull, "-f", str(ROOT / "Procfile"), "start")
    with valkey(data, fsync="always") as redis_url:
        environ = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "REDIS_URL": redis_url,
            "SECRET_KEY": KEY,
            "PORT": str(port),
        }
        with python_process(*arguments, environ=environ, log=log):

            async def both_are_up() -> bool:
                return '"event": "worker"' in log.read_text() and await _is_ready(port)

            await wait_until(both_are_up, timeout_s=300, interval_s=0.1)


async def _is_ready(port: int) -> bool:
    async with httpx2.AsyncClient(timeout=60) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False
