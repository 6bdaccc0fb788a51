"""The subscription API (`/api/subscribe`) and the handshake by which a receiver proves that it is ours."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import aiohttp

from .answers import Answer, Ask, answer
from .endpoints import Endpoint
from .shop import Shop

if TYPE_CHECKING:
    from .box import Sandbox

PATH, SCOPE = "/subscribe", "wh_api"


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
    if not shop.app.listens:
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


def endpoints(sandbox: Sandbox) -> tuple[Endpoint, ...]:
    """`GET`, `POST` and `DELETE /api/subscribe`: scope wh_api, outside the bucket, errors told with a 200."""

    async def subscribe(ask: Ask) -> Answer:
        return answer(await _subscribed(sandbox, ask.shop))

    return (
        Endpoint("GET subscribe", PATH, SCOPE, _shown, metered=False),
        Endpoint("POST subscribe", PATH, SCOPE, subscribe, metered=False),
        Endpoint("DELETE subscribe", PATH, SCOPE, _deleted, metered=False),
    )


def _shown(ask: Ask) -> Answer:
    return answer({"error": False, "message": "OK", "data": listed(ask.shop)})


def _deleted(ask: Ask) -> Answer:
    ask.shop.unsubscribe()
    return answer({"error": False, "message": "Unsubscribed"})


async def _subscribed(sandbox: Sandbox, shop: Shop) -> dict[str, Any]:
    if shop.app.url is None:
        return {"error": True, "message": "The app has no webhook URL"}
    problem = await handshake(sandbox.session, shop) if shop.app.verify_token is not None else None
    if problem is not None:
        return {"error": True, "message": f"Verification of the callback failed: {problem}"}
    shop.app.subscribed = True
    return {"error": False, "message": "Subscribed"}
