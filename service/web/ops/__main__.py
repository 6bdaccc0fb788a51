"""The process beside the web's: `python -m service.web.ops`, started by it (beside.py) with a socket as its input."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Final

import structlog

from service.log import configure_logging
from service.store.cipher import Cipher
from service.store.connection import connect
from service.store.shops import Shops
from service.store.versions import Versions
from service.web.ops.answers import Here
from service.web.ops.floor import Floor
from service.web.ops.wire import Answered, Asking, Start, read, write

NICE: Final = 19  # webhooks come first


async def serve(sock: socket.socket) -> None:
    """Answer until the web process hangs up, then finish what is under way."""
    reader, writer = await asyncio.open_connection(sock=sock)
    start = await read(reader, Start)
    if start is None:
        return
    configure_logging(start.log_format)
    redis = connect(start.redis_url)
    here = Here(Floor(redis, Shops(redis, Cipher(start.secret_keys)), Versions(redis)))
    under_way: set[asyncio.Task[None]] = set()
    while (asking := await read(reader, Asking)) is not None:
        task = asyncio.create_task(_reply(here, asking, writer))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way, return_exceptions=True)
    await redis.aclose()
    writer.close()


async def _reply(here: Here, asking: Asking, writer: asyncio.StreamWriter) -> None:
    question = asking.question
    structlog.contextvars.bind_contextvars(
        request=question.request, by=question.by, operation=question.operation
    )
    reply = await here.answer(question)
    if not writer.is_closing():
        write(writer, Answered(asking.number, reply))


def main() -> None:
    """Stay out of everybody's way and serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes; the web's ends this one
    os.nice(NICE)
    asyncio.run(serve(socket.socket(fileno=sys.stdin.fileno())))


if __name__ == "__main__":
    main()
