"""HTTP/1.1 as uvicorn speaks it, except where it would lose or mix up requests. uvicorn is given the class as `http`.

The overridden methods are those of `asyncio.Protocol` and the callbacks that httptools documents.
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
                return
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

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():  # otherwise `data_received` starts the request again
            super().on_headers_complete()
            self.headers = []  # the trailers go here; the request has the list from before

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self.on_request_complete()
            super().on_message_complete()

    def on_request_complete(self) -> None:
        """Called at the last byte of a request."""

    def _head_without_upgrade(self) -> bytes:
        """The head of the request, for a new parser: the old one takes its body for bytes of another protocol."""
        lines = [
            b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        lines += [b"%b: %b" % each for each in self.headers if each[0] not in (b"connection", b"upgrade")]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        return b"\r\n".join(lines) + b"\r\n\r\n"
