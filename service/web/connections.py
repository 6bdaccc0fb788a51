"""Limits of a connection that uvicorn does not have. How many there may be is uvicorn's own `limit_concurrency`."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from service.web.http_protocol import HttpProtocol


class LimitedProtocol(HttpProtocol):
    """Closes the connection if a request is not complete in time, or if its answer is not read.

    A request that arrives in one piece, as nearly all webhooks do, costs no timer.
    """

    request_timeout_s = 8.0  # Haravan gives up after 5 (haravan.md, Webhooks)
    read_timeout_s = 30.0
    max_request = 2 * 1024 * 1024  # bytes of a request; its body may have 1 MiB
    max_pipelined = 16  # requests: 20 bytes each on the wire, 3 KB in the process

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._is_complete, self._size = False, 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._start("request", self.request_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        for name in ("request", "read"):
            self._stop(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._is_complete = False
        super().data_received(data)
        if not self._is_complete:
            self._size += len(data)
            self._start("request", self.request_timeout_s if self._size <= self.max_request else 0)
        elif (
            self.cycle.response_complete
        ):  # answered before its last byte: uvicorn sets no timer for what follows
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self.max_pipelined:
            raise httptools.HttpParserError("too many requests at once")
        self._is_complete = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self.parser.should_upgrade():
            self._is_complete, self._size = True, 0
            self._stop("request")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start("read", self.read_timeout_s)

    def resume_writing(self) -> None:
        self._stop("read")
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # `close` would wait for a client that reads nothing

    def _start(self, name: str, after_s: float) -> None:
        if name not in self._timers or not after_s:
            self._stop(name)
            self._timers[name] = self.loop.call_later(after_s, self.transport.abort)

    def _stop(self, name: str) -> None:
        if self._timers and (timer := self._timers.pop(name, None)):
            timer.cancel()
