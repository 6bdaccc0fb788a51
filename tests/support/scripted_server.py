"""A server that answers as a test says: what a real one does only in bad moments, or never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

# Gets the words of a command; gives the bytes of the reply. None: the connection is closed.
Answer: TypeAlias = Callable[[list[bytes]], bytes | None]


class ScriptedServer:
    """A server on a port of 127.0.0.1. The test may change `answer` while it runs."""

    def __init__(self, answer: Answer, *, greeting: bytes = b"") -> None:
        self.answer = answer
        self.greeting = greeting  # sent to each new connection
        self.asked: list[list[bytes]] = []
        self.connections = 0  # ever made
        self.writers: set[asyncio.StreamWriter] = set()  # of the open connections
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.writers.add(writer)
        try:
            writer.write(self.greeting)
            while head := await reader.readline():
                words = [await self._word(reader) for _ in range(int(head[1:]))]
                self.asked.append(words)
                reply = self.answer(words)
                if reply is None:
                    break
                writer.write(reply)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _word(self, reader: asyncio.StreamReader) -> bytes:
        size = int((await reader.readline())[1:])
        return (await reader.readexactly(size + 2))[:-2]


def bulk(text: str | bytes) -> bytes:
    """A reply of one text."""
    data = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(items: Sequence[bytes]) -> bytes:
    """A reply of several replies."""
    return b"*%d\r\n" % len(items) + b"".join(items)


@asynccontextmanager
async def scripted_server(
    answer: Answer = lambda _: b"+OK\r\n", *, greeting: bytes = b""
) -> AsyncIterator[ScriptedServer]:
    """A running server. At the end its connections are closed."""
    scripted = ScriptedServer(answer, greeting=greeting)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        for writer in list(scripted.writers):
            writer.close()
        while scripted.writers:  # noqa: ASYNC110  # the connections have no event
            await asyncio.sleep(0)
