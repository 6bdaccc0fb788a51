"""How answers leave, how connections are cut, and how silence is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from .answers import Answer

DROP = "sandbox.drop"
"""The ASGI extension by which a server lets the sandbox drop a connection without an answer."""


async def respond(result: Answer, send: Send, extra: dict[str, str] | None = None) -> None:
    """Send an answer, straight through ASGI: a list of 50 is written once."""
    headers = {
        "content-type": result.media_type,
        "content-length": str(len(result.body)),
        **result.headers,
        **(extra or {}),
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": result.status, "headers": raw})
    await send({"type": "http.response.body", "body": result.body})


async def drop(scope: Scope, receive: Receive) -> None:
    """Cut the connection, where the server lets us; else the server answers 500 for want of an answer."""
    cut: Callable[[], None] | None = scope.get("extensions", {}).get(DROP, {}).get("cut")
    if cut is None:
        return
    cut()
    while (await receive())["type"] != "http.disconnect":
        pass  # returning sooner would make the server try a 500 on the dead connection


async def hang(request: Request, seconds: float) -> None:
    """Say nothing for so long, or until the caller has left."""
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
