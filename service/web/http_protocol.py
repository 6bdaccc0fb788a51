"""HTTP/1.1 as uvicorn speaks it, corrected where it loses or mixes up requests. uvicorn gets the class as `http`.

The overridden methods are those of `asyncio.Protocol`, the callbacks that httptools documents, and uvicorn's keep-alive.
"""

from __future__ import annotations

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """Ignores Upgrade, keeps trailers out of the headers, and answers a good request before a bad one behind it."""

    def data_received(self, data: bytes) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        while data:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as exc:
                if self.parser.get_method() == b"CONNECT":
                    self.send_400_response("CONNECT is not supported.")
                    return
                data = self._head_without_upgrade() + data[exc.args[0] :]
            except httptools.HttpParserError:
                if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
                    self.send_400_response("Invalid HTTP request received.")
                else:  # the good request in front of it is answered first
                    self.cycle.keep_alive = False
                return
        if self.cycle is not None and self.cycle.response_complete:
            # The rest of a request that was answered early, or the start of the next one: without this timer an idle
            # connection would stay open for ever, because uvicorn starts the timer only with an answer.
            handler = self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, handler)

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():  # otherwise `data_received` starts the request again
            super().on_headers_complete()
            self.headers = []  # trailers are added here; the request has its own list

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self.on_request_complete()
            super().on_message_complete()

    def on_request_complete(self) -> None:
        """Called at the last byte of a request."""

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # `close` would wait for a client that reads nothing

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
