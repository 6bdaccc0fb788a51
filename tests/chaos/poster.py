"""Posts webhooks directly to one web process, as fast as it answers, and records the answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

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

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without an acknowledgement between two times."""
        times = sorted(at_s for at_s in self.acknowledged.values() if since_s <= at_s <= until_s)
        moments = [since_s, *times, until_s]
        return max(later - earlier for earlier, later in pairwise(moments))

    def acknowledged_after(self, moment_s: float) -> set[str]:
        """The signatures that were acknowledged after that time (seconds of the monotonic clock)."""
        return {signature for signature, at_s in self.acknowledged.items() if at_s > moment_s}


class Poster:
    """Posts new deliveries over several connections until `stop`."""

    def __init__(self, url: str, *, connections: int = 32, org: str = ORG, pause_s: float = 0) -> None:
        self._url = url
        self._org = org
        self._pause_s = pause_s  # after each answer
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
                "X-Haravan-Org-Id": self._org,
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
            await asyncio.sleep(0.05 if status == 503 else self._pause_s)

    def _record(self, body: bytes, status: int, started_s: float) -> None:
        now = time.monotonic()
        if status == 200:
            self.posted.acknowledged[sign(body, canaries.WEBHOOK_SECRET)] = now
            self.posted.durations_s.append(now - started_s)
        else:
            self.posted.refused[status] += 1
