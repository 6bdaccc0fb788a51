"""Connections within bounds: how many there are, what one may ask for at once, and how long it may take to send a
request and to read the answer."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_WITHIN_S: Final = 8.0  # Haravan gives up after 5 (haravan.md, Webhooks)
MOST: Final = 2000
MOST_HEAD: Final = 64 * 1024  # bytes of a head that does not end; the parser itself has no limit
# Requests behind the one that is being answered: 20 bytes each on the wire, 3 KB in here.
MOST_WAITING: Final = 16
READ_WITHIN_S: Final = 30.0


class TooManyAtOnce(Exception):
    """So many requests wait behind the first that the parser is told to stop, which ends with a 400."""


class Connection(HttpToolsProtocol):
    """uvicorn's own protocol, which would wait for ever for a request that never ends (slowloris), or for an answer to
    be read.

    A request that comes in one piece, as nearly all webhooks do, costs no timer.
    """

    within_s = REQUEST_WITHIN_S
    read_within_s = READ_WITHIN_S
    most = MOST
    most_head = MOST_HEAD
    most_waiting = MOST_WAITING

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun = False
        self._head: int | None = None  # bytes of a head that has begun and not ended
        self._due: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._since = self.loop.time()
        self._is_known = False  # something rightly signed came over it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; where there are too many, a stranger's makes room, or it is not taken."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > self.most and not self._made_room():
            transport.close()
            return
        self._expect_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._came()
        self._was_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a request that is begun and not ended here must end in time."""
        super().data_received(data)
        if self._begun:
            self._expect_rest()
            self._weigh(len(data))

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a request. Raises TooManyAtOnce."""
        if len(self.pipeline) >= self.most_waiting:
            raise TooManyAtOnce
        self._begun = True
        self._head = 0
        self._begin()

    def _begin(self) -> None:
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser saw a whole head."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser saw the last byte of a request."""
        self._ended()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Answers pile up that nobody reads."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.read_within_s, self.transport.abort)

    def resume_writing(self) -> None:
        """They were read, or nobody is there any more."""
        self._was_read()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was asked for a while. To close would wait for ever where the last answer is not read."""
        self.transport.abort()

    def _made_room(self) -> bool:
        """End the oldest connection of a stranger: a thousand that are kept must not shut the webhooks out.

        Whoever waits for an answer is left alone.
        """
        others = [each for each in self.connections if isinstance(each, Connection) and each is not self]
        strangers = [each for each in others if each._may_go()]  # noqa: SLF001  # ours
        if not strangers:
            return False
        min(strangers, key=lambda each: each._since).transport.abort()  # noqa: SLF001
        return True

    def _may_go(self) -> bool:
        waits = self.cycle is not None and not self.cycle.response_complete
        return not (self._is_known or waits or self.transport.is_closing())

    def _ended(self) -> None:
        self._begun = False
        self._came()

    def _weigh(self, size: int) -> None:
        if self._head is not None:
            self._head += size
            if self._head > self.most_head:
                self._hang_up()

    def _expect_rest(self) -> None:
        if self._due is None:
            self._due = self.loop.call_later(self.within_s, self._hang_up)

    def _was_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _came(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _hang_up(self) -> None:
        self._due = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
