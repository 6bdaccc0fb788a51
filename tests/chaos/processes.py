"""The processes of a chaos run: they are started, killed and stopped, and their unexpected ends are recorded."""

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

from deploy.local.wait import until

STOP_POINT_TIMEOUT_S = 15.0
PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Pause:
    """A time in which a process was stopped (seconds of the monotonic clock)."""

    pid: int
    started_s: float
    ended_s: float = float("inf")


@dataclass(slots=True)
class ChildProcess:
    """One part of the system. Its process changes when it is killed and started again."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)  # carries secrets
    log: Path
    deaths: list[str] = field(default_factory=list)  # unexpected ends
    pauses: list[Pause] = field(default_factory=list)
    kills: int = 0
    busy: bool = False  # a fault is being injected
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
        """Start it in its own session. It dies with this process."""
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
                preexec_fn=_die_with_parent,
            )
        self._watching = asyncio.create_task(self._watch(self._process))

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    async def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.kills += 1
        await self._end(signal.SIGKILL)

    async def stop(self, *, timeout_s: float) -> int | None:
        """SIGTERM, then SIGKILL after the timeout. The exit code, or None if it had to be killed."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._end(signal.SIGTERM)
        except TimeoutError:
            await self._end(signal.SIGKILL)
            return None

    async def pause(self, seconds: float, *, arm: signal.Signals | None = None) -> bool:
        """SIGSTOP, and SIGCONT after some seconds. `arm` makes the process stop itself at its next stop point.

        False if it did not reach that point in time.
        """
        if arm is None:
            self.process.send_signal(signal.SIGSTOP)
        else:
            self.process.send_signal(arm)
            if not await until(self._is_stopped, within_s=STOP_POINT_TIMEOUT_S):
                return False
        pause = Pause(self.pid, time.monotonic())
        self.pauses.append(pause)
        try:
            await asyncio.sleep(seconds)
        finally:
            pause.ended_s = time.monotonic()
            if self.process.returncode is None:
                self.process.send_signal(signal.SIGCONT)
        return True

    async def _is_stopped(self) -> bool:
        return self.process.returncode is None and _state(self.pid) == "T"

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
            self.deaths.append(f"{self.name} ended by itself with {code}")


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _state(pid: int) -> str:
    """The state in /proc: `T` is stopped, "" is gone."""
    return next((line.split()[1] for line in _status(pid) if line.startswith("State:")), "")


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for this signal. Without one the signal would end it."""
    masks = [int(line.split()[1], 16) for line in _status(pid) if line.startswith("SigCgt:")]
    return bool(masks and masks[0] >> (number - 1) & 1)


def _status(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
