"""Limits of a connection that uvicorn does not have. It bounds the number of connections by `limit_concurrency`."""

from __future__ import annotations

from typing import Any

import httptools

from service.web.http_protocol import HttpProtocol


class LimitedProtocol(HttpProtocol):
    """Closes the connection if a request does not arrive in time, or its answer is not read. One piece needs no timer."""

    request_timeout_s = 8.0  # Haravan gives up after 5 (haravan.md, Webhooks)
    read_timeout_s = 30.0
    max_request = 2 * 1024 * 1024  # bytes of a request; its body may have 1 MiB
    max_pipelined = 16  # requests: 20 bytes each on the wire, 3 KB in the process

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._is_complete, self._size = False, 0
        self._request_timer = self.loop.call_later(self.request_timeout_s, transport.abort)
        self._read_timer: Any = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_timer.cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._is_complete = False
        super().data_received(data)
        if not self._is_complete:
            self._size += len(data)
            if self._size > self.max_request:
                self.transport.abort()
            elif self._request_timer.cancelled():
                self._request_timer = self.loop.call_later(self.request_timeout_s, self.transport.abort)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self.max_pipelined:
            raise httptools.HttpParserError("too many requests at once")
        self._is_complete = False
        super().on_message_begin()

    def on_request_complete(self) -> None:
        self._is_complete, self._size = True, 0
        self._request_timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self.loop.call_later(self.read_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()
