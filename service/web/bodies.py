"""Reading a request's body within bounds: of size, and of how many may be under way together.

How long one may take is bounded where the connections are (connections.py).
"""

from __future__ import annotations

from typing import Final

from starlette.types import Receive

from service.domain.deliveries import MAX_BODY

MOST_READING: Final = 256
MOST_HELD: Final = 64 * 1024 * 1024


class BadBody(Exception):
    """The body cannot be taken; `status` is what to answer."""

    status = 400


class TooLarge(BadBody):
    """More than 1 MiB."""

    status = 413


class TooMany(BadBody):
    """So many are being read that this one must come again later."""

    status = 503


class Left(BadBody):
    """The sender hung up: nobody is there to answer."""


class Bodies:
    """Reads bodies; what arrives in one piece, as nearly all do, costs next to nothing."""

    def __init__(self, *, most_reading: int = MOST_READING) -> None:
        self._most_reading = most_reading
        self._reading = 0
        self._held = 0

    async def read(self, receive: Receive, *, announced: bytes = b"") -> bytes:
        """The whole body as it was sent; raises BadBody. `announced` is the Content-Length header."""
        if len(announced) > 7 or (announced.isdigit() and int(announced) > MAX_BODY):
            raise TooLarge
        if self._reading >= self._most_reading or self._held > MOST_HELD:
            raise TooMany
        self._reading += 1
        try:
            return await self._whole(receive)
        finally:
            self._reading -= 1

    async def _whole(self, receive: Receive) -> bytes:
        message = await receive()
        first: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body") and len(first) <= MAX_BODY:
            return first
        pieces: list[bytes] = []
        size = 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise Left
                piece: bytes = message.get("body", b"")
                pieces.append(piece)
                size += len(piece)
                self._held += len(piece)
                if size > MAX_BODY:
                    raise TooLarge
                if self._held > MOST_HELD:
                    raise TooMany
                if not message.get("more_body"):
                    return b"".join(pieces)
                message = await receive()
        finally:
            self._held -= size
