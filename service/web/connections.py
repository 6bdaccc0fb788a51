"""Connections within bounds: how many there are, and how long one may take to send a request's head."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN_S: Final = 10.0
MOST: Final = 2000


class Connection(HttpToolsProtocol):
    """uvicorn's own protocol, which waits for ever for a head that never ends (slowloris)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun = False
        self._head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > MOST:
            transport.close()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a head that is begun and not ended here must end in time."""
        self._begun = False
        super().data_received(data)
        if self._begun:
            self._expect_head()

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a head."""
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser saw the end of a head."""
        self._begun = False
        self._head_came()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_WITHIN_S, self._hang_up)

    def _head_came(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _hang_up(self) -> None:
        self._head_due = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
