"""The store of a chaos run: a Valkey that writes to disk before every answer, and restarts on its files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from deploy.local.aof_repair import repair_aof
from deploy.local.valkey import server_executable, wait_until_ready
from service.store.client import RedisClient
from service.store.client.connection import connect
from tests.chaos.generations import GenerationWatch
from tests.chaos.processes import ChildProcess
from tests.chaos.shim import Shim
from tests.support.valkey import Fsync, valkey_command

Fault = Callable[[], Coroutine[Any, Any, None]]


class ChaosStore:
    """One Valkey, and a client that no proxy can disturb."""

    def __init__(self, folder: Path, *, fsync: Fsync = "always", shim: Shim | None = None) -> None:
        self.folder = folder / "store"
        self.folder.mkdir(exist_ok=True)
        self.socket = folder / "store.sock"
        self.shim = shim
        self.generations: GenerationWatch | None = None  # those of one server cannot go back
        self._clock_offset_s = 0.0
        self.repaired_logs = 0  # kills that left the append-only file incomplete
        command = valkey_command(self.folder, socket=self.socket, fsync=fsync, aof_load_truncated="no")
        self.child = ChildProcess(
            "store", command, shim.environ if shim else {}, folder / "logs" / "store.log"
        )
        self.redis: RedisClient = connect(f"unix://{self.socket}", patience_s=10)

    def environ(self, ports: Mapping[str, int], name: str) -> dict[str, str]:
        """The settings of a web process or worker, which has its own proxy."""
        return {"REDIS_URL": f"redis://127.0.0.1:{ports[name]}/0"}

    def proxy_targets(self) -> list[str]:
        """The arguments of the proxy."""
        return [f"web={self.socket}", f"worker={self.socket}"]

    def pids(self) -> list[int]:
        """The processes, for a look at their arguments."""
        return [self.child.pid]

    def deaths(self) -> list[str]:
        """The unexpected ends."""
        return self.child.deaths

    def connect(self) -> None:
        """Nothing to do: the client connects when it is used."""

    def watch(self, orgs: Sequence[str]) -> None:
        """Nothing to do: see `generations`."""

    async def stop(self) -> None:
        """Stop it."""
        await self.child.stop(timeout_s=5)

    async def kill_all(self) -> None:
        """kill -9."""
        await self.child.kill()

    async def recover(self) -> None:
        """Nothing to wait for: a server that was started answers."""

    async def restart_all(self) -> None:
        """Start it on its files."""
        await self.start()

    def faults(self, rng: Random, cut: Callable[[str], None]) -> dict[str, Fault]:
        """The faults by name. `cut` commands the proxy."""

        async def kill() -> None:
            await self.kill(away_s=rng.uniform(0, 1.5))

        async def step() -> None:
            self._clock_offset_s += rng.choice([-20, -5, 5, 20])
            if self.shim is not None:
                self.shim.move_clock(self._clock_offset_s)

        async def command(text: str) -> None:
            cut(text)

        faults: dict[str, Fault] = {
            "kill -9 store": kill,
            "cut store | web": lambda: command("cut web"),
            "cut store | worker": lambda: command("cut worker"),
            "hold store | web": lambda: command(f"hold web {rng.uniform(0.3, 2):.1f}"),
            "hold store | worker": lambda: command(f"hold worker {rng.uniform(0.3, 7):.1f}"),
        }
        return faults | ({"clock step store": step} if self.shim is not None else {})

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
