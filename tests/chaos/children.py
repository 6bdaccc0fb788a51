"""The processes of a chaos run: started, killed, stopped, and watched for any end that nobody asked for."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Pause:
    """A process stood still for a while (monotonic seconds)."""

    pid: int
    since: float
    until: float = float("inf")


@dataclass(slots=True)
class Child:
    """One part of the system, in whatever process it lives at the moment."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)  # carries secrets
    log: Path
    died: list[str] = field(default_factory=list)  # ends that nobody asked for
    pauses: list[Pause] = field(default_factory=list)
    kills: int = 0
    busy: bool = False  # something is being done to it
    _process: asyncio.subprocess.Process | None = None
    _ending: bool = False
    _watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(
        self, *, stdin: int | None = asyncio.subprocess.DEVNULL, stdout: int | None = None
    ) -> None:
        """Start it, in a session of its own; it dies with this process."""
        self._ending = False
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=log,
                env={"PATH": os.environ["PATH"], **self.environ},
                cwd=ROOT,
                start_new_session=True,
                preexec_fn=_dying_with_parent,
            )
        self._watching = asyncio.create_task(self._watch(self._process))

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    async def kill(self) -> None:
        """kill -9; returns when it is gone."""
        self.kills += 1
        await self._end(signal.SIGKILL)

    async def stop(self, *, within_s: float) -> int | None:
        """Ask it to end; the exit code, or None when it had to be killed."""
        try:
            async with asyncio.timeout(within_s):
                return await self._end(signal.SIGTERM)
        except TimeoutError:
            await self._end(signal.SIGKILL)
            return None

    async def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so long."""
        pause = Pause(self.pid, time.monotonic())
        self.pauses.append(pause)
        self.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            pause.until = time.monotonic()
            if self.process.returncode is None:
                self.process.send_signal(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> int | None:
        self._ending = True
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        await process.wait()
        if self._watching is not None:
            await self._watching
        return process.returncode

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if not self._ending:
            self.died.append(f"{self.name} ended by itself with {code}")


def _dying_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
