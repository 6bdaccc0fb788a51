"""Webhooks straight from here to one web process: as many as it takes, each remembered with its answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from deploy.sandbox.webhooks.signature import sign
from tests.chaos import canaries

ORG = "1000000001"
TOPIC = "customers/update"


@dataclass(slots=True)
class Posted:
    """What was answered 200, by signature with the moment; and the other answers, by status."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)

    def after(self, moment: float) -> set[str]:
        """What was acknowledged later than that (monotonic seconds)."""
        return {each for each, at in self.acknowledged.items() if at > moment}


class Poster:
    """Posts new deliveries over some connections until told to stop."""

    def __init__(self, url: str, *, connections: int = 32) -> None:
        self._url = url
        self._connections = connections
        self._number = 0
        self._stopping = False
        self.posted = Posted()

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> Posted:
        """Post until `stop`."""
        connector = aiohttp.TCPConnector(limit=0)
        limit = aiohttp.ClientTimeout(total=5)  # Haravan's patience
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
                "X-Haravan-HmacSha256": sign(body, canaries.SECRET),
            }
            began = time.monotonic()
            status = 0
            try:
                async with session.post(self._url, data=body, headers=headers) as answer:
                    await answer.read()
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(0.05)
            self._note(body, status, began)
            if status == 503:
                await asyncio.sleep(0.05)

    def _note(self, body: bytes, status: int, began: float) -> None:
        now = time.monotonic()
        if status == 200:
            self.posted.acknowledged[sign(body, canaries.SECRET)] = now
            self.posted.took.append(now - began)
        else:
            self.posted.refused[status] += 1
