"""Connections within bounds: how many there are, and how long one may take to send a request."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_WITHIN_S: Final = 8.0  # Haravan gives up after 5 (haravan.md, Webhooks)
MOST: Final = 2000
MOST_HEAD: Final = 64 * 1024  # bytes of a head that does not end; the parser itself has no limit


class Connection(HttpToolsProtocol):
    """uvicorn's own protocol, which would wait for ever for a request that never ends (slowloris).

    A request that comes in one piece, as nearly all webhooks do, costs no timer.
    """

    within_s = REQUEST_WITHIN_S
    most = MOST
    most_head = MOST_HEAD

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun = False
        self._head: int | None = None  # bytes of a head that has begun and not ended
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > self.most:
            transport.close()
            return
        self._expect_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a request that is begun and not ended here must end in time."""
        super().data_received(data)
        if self._begun:
            self._expect_rest()
            self._weigh(len(data))

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a request."""
        self._begun = True
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser saw a whole head."""
        self._head = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser saw the last byte of a request."""
        self._ended()
        super().on_message_complete()

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

    def _came(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _hang_up(self) -> None:
        self._due = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
