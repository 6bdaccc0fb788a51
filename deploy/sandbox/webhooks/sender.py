"""One attempt to deliver one webhook."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from deploy.sandbox.webhooks.outbox import Delivery
from deploy.sandbox.webhooks.signature import sign


@dataclass(frozen=True, slots=True)
class Target:
    """The receiver of a shop's deliveries, and the identity of the sender."""

    org: str
    secret: str
    url: str


class SendOptions(Protocol):
    """The delivery settings that one attempt needs."""

    header: str
    timeout_s: float
    chunk_bytes: int


async def post(
    session: aiohttp.ClientSession, delivery: Delivery, target: Target, options: SendOptions
) -> int:
    """Send the webhook. Returns the status of the response, or 0 if there was none in time."""
    body = _chunks(delivery.body, options.chunk_bytes) if options.chunk_bytes else delivery.body
    limit = aiohttp.ClientTimeout(total=options.timeout_s)
    headers = _headers(delivery, target, options.header)
    try:
        async with session.post(
            target.url, data=body, headers=headers, timeout=limit, allow_redirects=False
        ) as response:
            await response.read()
            return response.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return 0


def _headers(delivery: Delivery, target: Target, signature_header: str) -> dict[str, str]:
    signature = delivery.signature if delivery.signature is not None else sign(delivery.body, target.secret)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        signature_header: signature,
        "X-Haravan-Topic": delivery.topic,
        "X-Haravan-Org-Id": delivery.org or target.org,
    }
    return headers | {"X-Haravan-Test": "True"} if delivery.test else headers


async def _chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
