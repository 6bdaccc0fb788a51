"""The servers of a benchmark of the webhook edge: a Valkey that writes to disk before it answers, and a web process."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.load import ORG, SECRET
from tests.support import valkey as servers
from tests.support.ports import free_port
from tests.support.processes import python_process
from tests.support.shop import KEY
from tests.support.wait import wait_for_address


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """The URL of a durable server on a port. It never rewrites its append-only file, which would disturb."""
    with servers.valkey(folder, fsync="always", on_port=True, auto_aof_rewrite_percentage="0") as url:
        yield url


@contextmanager
def web(
    redis_url: str, *, variant: str, environ: dict[str, str] | None = None
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A web process in one of the variants of `edge`; yields its port and the process."""
    port = free_port()
    settings = {
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "HARAVAN_WEBHOOK_SECRETS": SECRET,
        "HARAVAN_ORG_ID": ORG,
        "HARAVAN_ACCESS_TOKEN": "a-bench-token",
        "SECRET_KEY": KEY,
    } | (environ or {})
    with python_process("-m", "tests.bench.edge", variant, environ=settings) as process:
        wait_for_address(port)
        yield port, process


def fsync_ms(folder: Path, *, times: int = 100) -> float:
    """The median time to write 2 KB to disk here: no durable acknowledgement can be faster."""
    durations: list[float] = []
    with (folder / "probe").open("wb", buffering=0) as probe:
        for _ in range(times):
            probe.write(b"x" * 2000)
            started = time.perf_counter()
            os.fdatasync(probe.fileno())
            durations.append(time.perf_counter() - started)
    return sorted(durations)[times // 2] * 1000
