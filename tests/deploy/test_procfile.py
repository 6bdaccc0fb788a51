"""Honcho starts the processes of the Procfile."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from deploy.local import valkey
from deploy.local.supervisor import supervise
from deploy.local.wait import until
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
async def test_honcho_starts_web_and_worker(tmp_path: Path) -> None:
    port = free_port()
    async with supervise() as running, valkey.start_server(running, tmp_path / "store") as own:
        honcho = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "honcho",
                "-d",
                str(ROOT),
                "-e",
                os.devnull,
                "-f",
                str(ROOT / "Procfile"),
                "start",
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "REDIS_URL": own.url,
                "SECRET_KEY": "k" * 32,
                "PORT": str(port),
            },
        )
        lines: list[str] = []
        collecting = asyncio.create_task(_collect(honcho, lines))

        async def both_are_up() -> bool:
            return await _ready(port) and any('"event": "worker"' in line for line in lines)

        try:
            assert await until(both_are_up, within_s=300, every_s=0.1), "".join(lines)
        finally:
            honcho.terminate()
            await honcho.wait()
            await collecting


async def _collect(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        lines.append(line.decode())  # noqa: PERF401  # `both_are_up` reads it while it grows


async def _ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.startswith(b"HTTP/1.1 200")
