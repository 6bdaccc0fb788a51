"""The store of a chaos run: Valkey on disk before every answer, killed and started again on its own files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from arq.connections import ArqRedis

from deploy.local.aof_repair import repair_aof
from deploy.local.valkey import server_executable, wait_until_ready
from service.store.client.connection import connect
from tests.chaos.children import Child
from tests.chaos.shim import Shim


class ChaosStore:
    """One Valkey and a client of ours that goes to it directly."""

    def __init__(self, folder: Path, *, fsync: str = "always", shim: Shim | None = None) -> None:
        self.folder = folder / "store"
        self.folder.mkdir(exist_ok=True)
        self.socket = folder / "store.sock"
        self.shim = shim
        self.mended = 0  # kills that tore the log
        self.child = Child(
            "store", self._command(fsync), shim.environ if shim else {}, folder / "logs" / "store.log"
        )
        self.redis: ArqRedis = connect(f"unix://{self.socket}", retries=20)

    def _command(self, fsync: str) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": fsync,
            "aof-load-truncated": "no",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [
            server_executable(),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    async def start(self) -> None:
        """Start it on its files; returns when it answers."""
        self.socket.unlink(missing_ok=True)
        if await asyncio.to_thread(repair_aof, self.folder, server_executable()):
            self.mended += 1
        await self.child.start()
        await wait_until_ready(f"unix://{self.socket}", within_s=60)

    async def kill(self, *, away_s: float) -> None:
        """kill -9, and back after a while."""
        await self.child.kill()
        await asyncio.sleep(away_s)
        await self.start()
