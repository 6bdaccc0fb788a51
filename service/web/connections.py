"""Limits of connections that uvicorn does not have.

At `limit_concurrency` connections uvicorn answers 503 to every request of every client, so anonymous clients could shut
out Haravan by opening connections. Below that limit the connections that have been waiting longest are closed instead.
"""

from __future__ import annotations

import heapq
from typing import Any

import httptools

from service.web.http_protocol import HttpProtocol


class LimitedProtocol(HttpProtocol):
    """Closes the connection if a request does not arrive in time, or its answer is not read. One piece needs no timer."""

    request_timeout_s = 8.0  # Haravan gives up after 5 (haravan.md, Webhooks)
    rest_timeout_s = (
        1.0  # for the rest of a request that was answered before its last byte, mostly by a refusal
    )
    read_timeout_s = 30.0
    max_request = 2 * 1024 * 1024  # bytes of a request; its body may have 1 MiB
    max_pipelined = 16  # requests: 20 bytes each on the wire, 3 KB in the process
    max_connections = 800
    spare_connections = 50  # closed at once beyond the excess, because finding them takes 100 µs

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.active_s = self.loop.time()  # when the last request was complete
        if len(self.connections) > self.max_connections:
            self._close_longest_waiting()
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
        self.active_s = self.loop.time()
        self._request_timer.cancel()

    def on_early_response(self) -> None:
        self._request_timer.cancel()
        self._request_timer = self.loop.call_later(self.rest_timeout_s, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self.loop.call_later(self.read_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()

    def _close_longest_waiting(self) -> None:
        """Close the connections whose last complete request is the oldest. One that waits for its answer stays."""
        open_ones = [
            each
            for each in self.connections
            if isinstance(each, LimitedProtocol) and not each.transport.is_closing()
        ]
        excess = len(open_ones) - self.max_connections
        if excess > 0:
            waiting = [each for each in open_ones if each is not self and each.waits_for_client()]
            number = excess + self.spare_connections
            for each in heapq.nsmallest(number, waiting, key=lambda protocol: protocol.active_s):
                each.transport.abort()

    def waits_for_client(self) -> bool:
        """Whether the client has to send something next: a request, or the rest of one."""
        is_answering = (
            self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        )
        return not is_answering and not self.pipeline
