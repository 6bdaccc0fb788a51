"""Child processes: start them, wait for them, and stop all of them in the end."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.paths import PRIVATE_UMASK, create_private_folder

POLL_INTERVAL_S: Final = 0.1
GRACE_S: Final = 15.0  # a worker finishes its current drain run
PR_SET_PDEATHSIG: Final = 1
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to run. Its output goes to the file `log`, or to this terminal."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] | None = field(default=None, repr=False)  # contains secrets
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """A process that exited by itself. `code` is negative if a signal killed it."""

    spec: ProcessSpec
    code: int


class Supervisor:
    """The running child processes. `stop` stops them together, those with `stop_last` after all others."""

    def __init__(self, *, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._running: list[tuple[ProcessSpec, asyncio.subprocess.Process]] = []
        self._last: list[tuple[ProcessSpec, asyncio.subprocess.Process]] = []
        self._stopping = False

    async def start(self, spec: ProcessSpec, *, stop_last: bool = False) -> int:
        """Start a process in its own session and return its process id.

        Ctrl-C reaches all processes of a terminal session at once, but Redis must outlive the processes that write
        to it. If this process is killed, Linux sends SIGTERM to its children.
        """
        with _output(spec.log) as output:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(spec.environ) if spec.environ is not None else None,
                start_new_session=True,
                umask=PRIVATE_UMASK,
                preexec_fn=die_with_parent(),
            )
        (self._last if stop_last else self._running).append((spec, process))
        return process.pid

    async def wait_for_exit(self) -> ProcessExit:
        """Wait until any process exits by itself, not because of `stop`."""
        while True:
            for spec, process in (*self._running, *self._last):
                if process.returncode is not None and not self._stopping:
                    return ProcessExit(spec, process.returncode)
            await asyncio.sleep(POLL_INTERVAL_S)

    async def stop(self) -> None:
        """Stop all processes: SIGTERM first, SIGKILL after the grace period. `stop_last` processes stop last."""
        self._stopping = True
        await asyncio.gather(*(self._stop(process) for _, process in self._running))
        await asyncio.gather(*(self._stop(process) for _, process in self._last))

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._grace_s)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def supervise(*, grace_s: float = GRACE_S) -> AsyncIterator[Supervisor]:
    """Run child processes inside this block. They are stopped at its end, whatever ends it."""
    running = Supervisor(grace_s=grace_s)
    try:
        yield running
    finally:
        await asyncio.shield(running.stop())


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that is set by Ctrl-C, SIGTERM or a closed terminal, instead of an exception."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


@contextmanager
def _output(log: Path | None) -> Iterator[int | None]:
    if log is None:
        yield None
        return
    create_private_folder(log.parent)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def die_with_parent() -> Callable[[], None] | None:
    """For `preexec_fn`: Linux sends SIGTERM to the child when its parent dies. None on other systems."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(
        None, use_errno=True
    ).prctl  # loaded before the fork: loading a library after it is not safe
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
