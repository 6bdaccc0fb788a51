"""Short answers: as ASGI messages, and whole, as they go over the wire."""

from __future__ import annotations

from typing import Final

from starlette.types import Send


async def answer(send: Send, status: int, text: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a short plain text."""
    fixed = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text)))
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": text})


RETRY_AFTER: Final = (b"retry-after", b"1")
CLOSE: Final = (b"connection", b"close")  # the rest of the body is not worth reading
OK_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"0")],  # every header more costs a microsecond
}
OK_BODY: Final = {"type": "http.response.body", "body": b""}
AWAY: Final = b"not stored: send it again"
_HEADS: Final = {
    True: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n",
    False: b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n"
    b"content-length: %d\r\n" % len(AWAY),
}
WIRE: Final = {  # (stored, last of its connection) -> the whole answer
    (stored, last): head + (b"connection: close\r\n" if last else b"") + b"\r\n" + (b"" if stored else AWAY)
    for stored, head in _HEADS.items()
    for last in (False, True)
}
