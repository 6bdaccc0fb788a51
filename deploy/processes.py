"""Starts the parts of the service as real processes, and leaves none of them behind."""

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

LOOK_EVERY_S: Final = 0.1
GRACE_S: Final = 15.0  # a worker finishes the turn that it is in
PR_SET_PDEATHSIG: Final = 1
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Part:
    """One process to run. Its output goes to `log`, or to this terminal."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] | None = field(default=None, repr=False)  # carries secrets
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A part that ended by itself. `code` is negative when a signal ended it."""

    part: Part
    code: int


class Processes:
    """The running parts, ended together; those started as `last` after all others."""

    def __init__(self, *, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._running: list[tuple[Part, asyncio.subprocess.Process]] = []
        self._last: list[tuple[Part, asyncio.subprocess.Process]] = []
        self._stopping = False

    async def start(self, part: Part, *, last: bool = False) -> int:
        """Start a part in a session of its own and return its process id.

        Of its own, because Ctrl-C reaches a whole terminal session at once, and the store must outlive those who
        still write to it. Should this process be killed, Linux ends the parts too.
        """
        with _output(part.log) as output:
            process = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(part.environ) if part.environ is not None else None,
                start_new_session=True,
                preexec_fn=dying_with_parent(),
            )
        (self._last if last else self._running).append((part, process))
        return process.pid

    async def ended(self) -> Ended:
        """Wait until any part ends by itself: not because of `stop`."""
        while True:
            for part, process in (*self._running, *self._last):
                if process.returncode is not None and not self._stopping:
                    return Ended(part, process.returncode)
            await asyncio.sleep(LOOK_EVERY_S)

    async def stop(self) -> None:
        """End every part: ask, wait, and after a while kill. The store goes when nobody writes any more."""
        self._stopping = True
        await asyncio.gather(*(self._end(process) for _, process in self._running))
        await asyncio.gather(*(self._end(process) for _, process in self._last))

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._grace_s)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def processes(*, grace_s: float = GRACE_S) -> AsyncIterator[Processes]:
    """Run parts inside this block; whatever ends the block ends them."""
    running = Processes(grace_s=grace_s)
    try:
        yield running
    finally:
        await asyncio.shield(running.stop())


@contextmanager
def asked_to_end() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C, SIGTERM and a closed terminal set, in place of the exceptions that they raise."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in ENDINGS:
        loop.add_signal_handler(ending, event.set)
    try:
        yield event
    finally:
        for ending in ENDINGS:
            loop.remove_signal_handler(ending)


@contextmanager
def _output(log: Path | None) -> Iterator[int | None]:
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def dying_with_parent() -> Callable[[], None] | None:
    """Run in the child before its program: asks Linux for SIGTERM at the parent's death. Elsewhere there is no such thing."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: after the fork it would not be safe
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
