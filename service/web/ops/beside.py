"""The process beside the web's, for what would keep webhooks waiting: rules are read there, and everybody looked at.

It is started when it is first needed, takes the processor only when nobody else wants it, and ends when nothing was
asked for a while, so that the web process stays small. A thread would not do: it shares the interpreter's lock, and
an acknowledgement then waits some 5 ms for it, again and again.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from typing import Final

from service.settings import Settings
from service.web.ops.questions import Question, Reply, refusal
from service.web.ops.wire import Answered, Asking, Start, read, write
from service.web.problems import Problem

MOST: Final = 16  # questions at a time
IDLE_S: Final = 60.0
END_WITHIN_S: Final = 5.0
LOOK_EVERY_S: Final = 0.01
COMMAND: Final = (sys.executable, "-m", "service.web.ops")


class Beside:
    """Hands questions over and brings the replies back."""

    def __init__(
        self,
        settings: Settings,
        *,
        command: Sequence[str] = COMMAND,
        most: int = MOST,
        idle_s: float = IDLE_S,
        end_within_s: float = END_WITHIN_S,
    ) -> None:
        self._start = Start(settings.redis_url, settings.secret_keys, settings.log_format)
        self._command = command
        self._most = most
        self._idle_s = idle_s
        self._end_within_s = end_within_s
        self._numbers = count(1)
        self._asked = 0
        self._waiting: dict[int, tuple[asyncio.StreamWriter, asyncio.Future[Reply]]] = {}
        self._starting = asyncio.Lock()
        self._stopped = False
        self._writer: asyncio.StreamWriter | None = None
        self._ends: dict[asyncio.Task[None], subprocess.Popen[bytes]] = {}
        self._rest: asyncio.TimerHandle | None = None

    async def answer(self, question: Question) -> Reply:
        """The other process's reply; a refusal where there are too many questions, or it ended over this one."""
        if self._asked >= self._most:
            return refusal(Problem(503, "too much is being looked at", headers={"Retry-After": "2"}))
        self._asked += 1
        self._stay()
        try:
            return await self._ask(await self._there(), question)
        except OSError:
            return refusal(_gone())
        finally:
            self._asked -= 1
            self._rest_later()

    async def stop(self) -> None:
        """End the process, and start none any more; what it is at is given a few seconds."""
        self._stay()
        async with self._starting:
            self._stopped = True
            self._hang_up()
        if self._ends:
            await asyncio.wait(self._ends, timeout=self._end_within_s)
        for process in self._ends.values():
            process.kill()
        await asyncio.gather(*self._ends, return_exceptions=True)

    async def _ask(self, writer: asyncio.StreamWriter, question: Question) -> Reply:
        number = next(self._numbers)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = writer, reply
        try:
            write(writer, Asking(number, question))
            return await reply
        finally:
            del self._waiting[number]

    async def _there(self) -> asyncio.StreamWriter:
        """The way to the process, which is started where there is none. Raises OSError."""
        async with self._starting:
            if self._stopped:
                raise ConnectionAbortedError
            if self._writer is None:
                process, reader, self._writer = await _started(self._command)
                write(self._writer, self._start)
                task = asyncio.create_task(self._listen(process, reader, self._writer))
                self._ends[task] = process
                task.add_done_callback(self._ends.pop)
            return self._writer

    async def _listen(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Hand out the replies until the process has gone; who still waits then hears that."""
        while (told := await read(reader, Answered)) is not None:
            _settle(self._waiting.get(told.number), told.reply)
        if self._writer is writer:
            self._writer = None
        for waiting in self._waiting.values():
            if waiting[0] is writer:
                _settle(waiting, refusal(_gone()))
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        await _ended(process, within_s=self._end_within_s)

    def _hang_up(self) -> None:
        """The process reads that as its end."""
        if self._writer is not None:
            self._writer.write_eof()
            self._writer = None

    def _stay(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _rest_later(self) -> None:
        if not self._asked and not self._stopped:
            self._rest = asyncio.get_running_loop().call_later(self._idle_s, self._hang_up)


async def _started(
    command: Sequence[str],
) -> tuple[subprocess.Popen[bytes], asyncio.StreamReader, asyncio.StreamWriter]:
    """The process, and the way to it: a socket that it has as its input.

    The process comes last: whoever asks may give up while this waits, and nobody would end a process then.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        try:
            process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)  # noqa: ASYNC220, S603  # 2 ms
        except OSError:
            writer.close()
            raise
    return process, reader, writer


def _settle(waiting: tuple[asyncio.StreamWriter, asyncio.Future[Reply]] | None, reply: Reply) -> None:
    if waiting is not None and not waiting[1].done():
        waiting[1].set_result(reply)


async def _ended(process: subprocess.Popen[bytes], *, within_s: float) -> None:
    """Reap it. It is looked at, for asyncio may miss the signal of its end where the loop is not the main thread's."""
    for _ in range(int(within_s / LOOK_EVERY_S)):
        if process.poll() is not None:
            return
        await asyncio.sleep(LOOK_EVERY_S)
    process.kill()
    process.wait()


def _gone() -> Problem:
    text = "the process that works on rules has ended; look at the history and the audit log, then ask again"
    return Problem(503, text, headers={"Retry-After": "1"})
