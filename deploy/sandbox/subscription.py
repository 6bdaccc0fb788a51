"""The subscription API (`/api/subscribe`) and the handshake by which a receiver proves that it is ours."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import aiohttp
from starlette.requests import Request
from starlette.responses import Response

from .answers import answer, refusal
from .calls import Call
from .shop import Shop

if TYPE_CHECKING:
    from .box import Sandbox

SCOPE = "wh_api"


async def handshake(session: aiohttp.ClientSession, shop: Shop) -> str | None:
    """Ask the receiver to echo a challenge; what went wrong, or None when it did so within 5 s."""
    challenge = secrets.token_hex(16)
    params = {
        "hub.mode": "subscribe",
        "hub.verify_token": shop.app.verify_token or "",
        "hub.challenge": challenge,
    }
    limit = aiohttp.ClientTimeout(total=shop.deliveries.timeout_s)
    try:
        async with session.get(
            shop.app.url or "", params=params, timeout=limit, allow_redirects=False
        ) as said:
            text = await said.text()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        return f"no answer ({type(exc).__name__})"
    if said.status != 200:
        return f"status {said.status}"
    return None if text.strip() == challenge else "the challenge was not echoed"


def listed(shop: Shop) -> list[dict[str, Any]]:
    """A subscription for each topic, as GET shows them."""
    if not shop.app.subscribed:
        return []
    return [
        {"id": 7_000_001 + i, "event": topic, "url": shop.app.url} for i, topic in enumerate(shop.app.topics)
    ]


class HandshakeFailed(Exception):
    """The receiver did not echo the challenge."""


class Subscribing:
    """A subscription that holds already; awaiting it performs the handshake as well."""

    def __init__(self, sandbox: Sandbox, shop: Shop) -> None:
        self._sandbox = sandbox
        self._shop = shop

    def __await__(self) -> Generator[Any, None, None]:
        return self._confirm().__await__()

    async def _confirm(self) -> None:
        problem = await handshake(self._sandbox.session, self._shop)
        if problem is not None:
            self._shop.unsubscribe()
            raise HandshakeFailed(problem)


class Subscriptions:
    """`GET`, `POST` and `DELETE /api/subscribe`: Bearer, scope wh_api, errors told with a 200."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def answer(self, request: Request) -> Response:
        shop = self._sandbox.shop_of(request)
        if shop is None:
            return _response(401, refusal("Unauthorized", 401).body)
        status, content = (200, await self._act(request.method, shop)) if SCOPE in shop.scopes else (403, {})
        shop.calls.note(
            Call(
                endpoint=f"{request.method} subscribe",
                dialect="webhook",
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                customers=(),
                body=await request.body(),
                at=shop.clock(),
                status=status,
            )
        )
        return _response(status, answer(content).body)

    async def _act(self, method: str, shop: Shop) -> dict[str, Any]:
        if method == "GET":
            return {"error": False, "message": "OK", "data": listed(shop)}
        if method == "DELETE":
            shop.unsubscribe()
            return {"error": False, "message": "Unsubscribed"}
        return await self._subscribe(shop)

    async def _subscribe(self, shop: Shop) -> dict[str, Any]:
        if shop.app.url is None:
            return {"error": True, "message": "The app has no webhook URL"}
        problem = await handshake(self._sandbox.session, shop) if shop.app.verify_token is not None else None
        if problem is not None:
            return {"error": True, "message": f"Verification of the callback failed: {problem}"}
        shop.app.subscribed = True
        return {"error": False, "message": "Subscribed"}


def _response(status: int, body: bytes) -> Response:
    return Response(body, status_code=status, media_type="application/json")
