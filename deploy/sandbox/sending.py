"""One attempt to deliver one webhook: headers, signature, pieces, and what came back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from .outbox import Delivery
from .signature import sign


@dataclass(frozen=True, slots=True)
class Target:
    """Where and as whom a shop's deliveries go."""

    org: str
    secret: str
    url: str


class Manner(Protocol):
    """How a shop sends: the switches that one attempt needs."""

    header: str
    timeout_s: float
    chunk_bytes: int


async def post(session: aiohttp.ClientSession, delivery: Delivery, target: Target, manner: Manner) -> int:
    """The status of the answer, or 0 when there was none in time."""
    body = _chunks(delivery.body, manner.chunk_bytes) if manner.chunk_bytes else delivery.body
    limit = aiohttp.ClientTimeout(total=manner.timeout_s)
    headers = _headers(delivery, target, manner.header)
    try:
        async with session.post(
            target.url, data=body, headers=headers, timeout=limit, allow_redirects=False
        ) as answer:
            await answer.read()
            return answer.status
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
