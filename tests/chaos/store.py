"""The store of a chaos run: a Valkey that writes to disk before every answer, and restarts on its files."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy.local.aof_repair import repair_aof
from deploy.local.valkey import server_executable, wait_until_ready
from service.store.client import RedisClient
from service.store.client.connection import connect
from tests.chaos.processes import ChildProcess
from tests.chaos.shim import Shim
from tests.support.valkey import Fsync, valkey_command


class ChaosStore:
    """One Valkey, and a client that no proxy can disturb."""

    def __init__(self, folder: Path, *, fsync: Fsync = "always", shim: Shim | None = None) -> None:
        self.folder = folder / "store"
        self.folder.mkdir(exist_ok=True)
        self.socket = folder / "store.sock"
        self.shim = shim
        self.repaired_logs = 0  # kills that left the append-only file incomplete
        command = valkey_command(self.folder, socket=self.socket, fsync=fsync, aof_load_truncated="no")
        self.child = ChildProcess(
            "store", command, shim.environ if shim else {}, folder / "logs" / "store.log"
        )
        self.redis: RedisClient = connect(f"unix://{self.socket}", patience_s=10)

    async def start(self) -> None:
        """Start it on its files, and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        if await asyncio.to_thread(repair_aof, self.folder, server_executable()):
            self.repaired_logs += 1
        await self.child.start()
        await wait_until_ready(f"unix://{self.socket}", within_s=60)

    async def kill(self, *, away_s: float) -> None:
        """kill -9, and start it again after a while."""
        await self.child.kill()
        await asyncio.sleep(away_s)
        await self.start()
