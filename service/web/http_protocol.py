"""HTTP/1.1 as uvicorn speaks it, corrected where it loses or mixes up requests. uvicorn gets the class as `http`.

The overridden methods are those of `asyncio.Protocol`, the callbacks that httptools documents, and uvicorn's keep-alive.
"""

from __future__ import annotations

from typing import Final

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

NOT_IMPLEMENTED: Final = b"the only transfer coding here is chunked"


class HttpProtocol(HttpToolsProtocol):
    """Ignores Upgrade, keeps trailers out of the headers, and answers a good request before a bad one behind it.

    A transfer coding besides `chunked` is answered 501: uvicorn would pass its bytes on as if they were the body.
    """

    _is_broken = False

    def data_received(self, data: bytes) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        while data and not self._is_broken:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as exc:
                if self.parser.get_method() == b"CONNECT":
                    self._break_off()
                else:
                    data = self._head_without_upgrade() + data[exc.args[0] :]
            except httptools.HttpParserError:
                self._break_off()
        if self.cycle is not None and self.cycle.response_complete:
            # The rest of a request that was answered early, or the start of the next one: without this timer an idle
            # connection would stay open for ever, because uvicorn starts the timer only with an answer.
            handler = self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, handler)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # `data_received` starts the request again
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and codings != [b"chunked"]:
            app, self.app = self.app, refuse_transfer_coding
            super().on_headers_complete()
            self.app = app
        else:
            super().on_headers_complete()
        self.headers = []  # trailers are added here; the request has its own list

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self.on_request_complete()
            super().on_message_complete()

    def on_request_complete(self) -> None:
        """Called at the last byte of a request."""

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_broken:
            self.loop.call_soon(self._refuse_rest)
        elif self.cycle.response_complete and self.cycle.more_body:
            self.on_early_response()

    def on_early_response(self) -> None:
        """Called when a request is answered before its last byte."""

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # `close` would wait for a client that reads nothing

    def _break_off(self) -> None:
        """Read no more. The requests before these bytes are answered first, however the bytes were split into packets."""
        self._is_broken = True
        # With requests in the pipeline, after the last answer: one that has only just begun would be refused. Otherwise
        # a request in the same bytes takes its first step before.
        if not self.pipeline:
            self.loop.call_soon(self._refuse_rest)

    def _refuse_rest(self) -> None:
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete and not cycle.more_body
        if self.transport.is_closing() or self.pipeline or is_answering:
            return  # called again after the next response
        if cycle is not None and cycle.response_complete and cycle.more_body:
            self.transport.close()  # the bytes are the rest of a request that was refused by its head
        else:
            self.send_400_response("Invalid HTTP request received.")

    def _head_without_upgrade(self) -> bytes:
        """The head of the request, for a new parser: the old one takes its body for bytes of another protocol."""
        lines = [
            b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        lines += [
            b"%b: %b" % header for header in self.headers if header[0] not in (b"connection", b"upgrade")
        ]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"\r\n".join(lines) + b"\r\n\r\n"


async def refuse_transfer_coding(_: Scope, __: Receive, send: Send) -> None:
    """Answer 501 and close the connection: nobody can say where the body ends (RFC 9112, 6.1)."""
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(NOT_IMPLEMENTED)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 501, "headers": headers})
    await send({"type": "http.response.body", "body": NOT_IMPLEMENTED})
