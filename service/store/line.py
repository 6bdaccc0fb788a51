"""A connection to the store on which calls go out together; their answers are heard as they come, without a task's turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
from redis._parsers import BaseParser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

NOTHING: Final = object()  # as yet


class Line(asyncio.Protocol):
    """Takes over a connection that redis-py has set up: its reading of one answer costs more than the answer.

    One `call` at a time. Whoever gives up waiting for one must hang up: what comes late would pass for the next answer.
    """

    def __init__(self, connection: AbstractConnection) -> None:
        """Take over a connection that is set up and has nothing under way. Raises redis' ConnectionError."""
        writer = connection._writer  # noqa: SLF001  # redis-py shows it to nobody
        if writer is None:
            raise RedisConnectionError("the connection is closed")
        connection._reader = connection._writer = None  # noqa: SLF001  # it would hang up once nobody knows it
        self._writer = writer  # as would this
        self._transport = writer.transport
        self._was = self._transport.get_protocol()  # redis-py's own, which must hear of the end
        self._transport.set_protocol(self)
        self._replies = hiredis.Reader(replyError=BaseParser.parse_error, notEnoughData=NOTHING)
        self._hear: Callable[[Any], None] = lambda _: None
        self._left = 0
        self._over: asyncio.Future[None] | None = None
        self.is_open = not self._transport.is_closing()

    async def call(self, commands: Sequence[bytes], hear: Callable[[Any], None]) -> None:
        """Send packed commands and give each answer to `hear` in their order; an error is one, too.

        Raises redis' ConnectionError when the connection ends before that, and what `hear` raises.
        """
        if not self.is_open:
            raise RedisConnectionError("the connection is closed")
        self._hear, self._left = hear, len(commands)
        self._over = asyncio.get_running_loop().create_future()
        self._transport.writelines(commands)
        await self._over

    def hang_up(self) -> None:
        """End it now."""
        self.is_open = False
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Some bytes of answers came."""
        self._replies.feed(data)
        try:
            while self._left and (reply := self._replies.gets()) is not NOTHING:
                self._left -= 1
                self._hear(reply)
        except Exception as exc:  # noqa: BLE001  # whoever called is to know
            self._end(exc)
            return
        if not self._left:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side hung up, or we did."""
        self.is_open = False
        self._end(RedisConnectionError("the connection was closed"))
        self._was.connection_lost(exc)

    def _end(self, exc: Exception | None) -> None:
        over, self._over = self._over, None
        if over is None or over.done():
            return
        if exc is None:
            over.set_result(None)
        else:
            over.set_exception(exc)
