"""HTTP/1.1 over a raw socket: the bytes of a request in any pieces, and every answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.support.sender import signature
from tests.support.shop import ORG

BODY = '{"id": 7, "first_name": "Ánh"}'.encode()


def webhook(
    body: bytes = BODY,
    *headers: str,
    start: str = "POST /webhooks/haravan HTTP/1.1",
    signed: str | None = None,
    org: str = ORG,
    length: bool = True,
) -> bytes:
    """The bytes of a webhook; `signed` replaces its signature."""
    lines = [
        start,
        "Host: x",
        "X-Haravan-Topic: customers/update",
        f"X-Haravan-Org-Id: {org}",
        f"X-Haravan-HmacSha256: {signature(body) if signed is None else signed}",
        *([f"Content-Length: {len(body)}"] if length else []),
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(body: bytes, *headers: str, trailers: str = "") -> bytes:
    """A webhook whose body is one chunk."""
    head = webhook(body, "Transfer-Encoding: chunked", *headers, length=False).removesuffix(body)
    return head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers.encode())


@dataclass
class Answer:
    """One answer of the server."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """The next answer, 100 Continue included. Raises IncompleteReadError if the server closes the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(first.split()[1]), headers, body)


async def talk(port: int, *pieces: bytes, answers: int = 1) -> list[Answer]:
    """Send the pieces over one connection as separate packets, and read this many answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(60):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
            return [await read_answer(reader) for _ in range(answers)]
    finally:
        writer.close()
