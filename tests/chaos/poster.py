"""Posts webhooks directly to one web process, as fast as it answers, and records the answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from deploy.sandbox.webhooks.signature import sign
from tests.support import canaries

ORG = "1000000001"
TOPIC = "customers/update"


@dataclass(slots=True)
class PostedWebhooks:
    """Webhooks that were answered 200, by signature with the time, and other answers by status."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    durations_s: list[float] = field(default_factory=list)

    def acknowledged_after(self, moment_s: float) -> set[str]:
        """The signatures that were acknowledged after that time (seconds of the monotonic clock)."""
        return {signature for signature, at_s in self.acknowledged.items() if at_s > moment_s}


class Poster:
    """Posts new deliveries over several connections until `stop`."""

    def __init__(self, url: str, *, connections: int = 32) -> None:
        self._url = url
        self._connections = connections
        self._number = 0
        self._stopping = False
        self.posted = PostedWebhooks()

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> PostedWebhooks:
        """Post until `stop`."""
        connector = aiohttp.TCPConnector(limit=0)
        limit = aiohttp.ClientTimeout(total=5)  # Haravan waits 5 s
        async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:
            await asyncio.gather(*(self._post(session) for _ in range(self._connections)))
        return self.posted

    async def _post(self, session: aiohttp.ClientSession) -> None:
        while not self._stopping:
            self._number += 1
            body = b'{"id":%d,"note":"%d"}' % (1 + self._number % 1000, self._number)
            headers = {
                "X-Haravan-Topic": TOPIC,
                "X-Haravan-Org-Id": ORG,
                "X-Haravan-HmacSha256": sign(body, canaries.WEBHOOK_SECRET),
            }
            started_s = time.monotonic()
            status = 0
            try:
                async with session.post(self._url, data=body, headers=headers) as answer:
                    await answer.read()
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(0.05)
            self._record(body, status, started_s)
            if status == 503:
                await asyncio.sleep(0.05)

    def _record(self, body: bytes, status: int, started_s: float) -> None:
        now = time.monotonic()
        if status == 200:
            self.posted.acknowledged[sign(body, canaries.WEBHOOK_SECRET)] = now
            self.posted.durations_s.append(now - started_s)
        else:
            self.posted.refused[status] += 1
