"""Webhooks of shops that are paused: they cost little, so that a run with a store of several servers has many of them.

Nobody processes their customers, so they only show what an acknowledgement is worth. Each connection posts as fast as it is
answered, within the rate of the run, to one web process until that one breaks off, then to any.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from random import Random
from typing import Final
from urllib.parse import urlsplit

from deploy.sandbox.webhooks.signature import sign
from service.domain.customers import OrgId
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.support import canaries

FIRST_ORG: Final = 1_000_100_001
SHOPS: Final = 8  # their partitions are on all servers of a cluster
CONNECTIONS: Final = 24  # of each shop
CUSTOMERS: Final = 1_000  # of each shop
TIMEOUT_S: Final = 5.0  # Haravan waits 5 s
PAUSE_S: Final = 1.0  # after another answer than 200, so that an outage does not use up the events


class Crowd:
    """Posts until it has posted `events`. `posted` counts all, `acknowledged` has the signatures of those answered 200."""

    def __init__(self, events: int, urls: Callable[[], list[str]], rng: Random) -> None:
        self.events = events
        self.orgs = [OrgId(str(FIRST_ORG + number)) for number in range(SHOPS)] if events else []
        self.posted = 0
        self.acknowledged: defaultdict[OrgId, set[str]] = defaultdict(set)
        self.refused: Counter[int] = Counter()  # other answers by status; 0 = none
        self._urls = urls
        self._rng = rng
        self._per_s = float("inf")
        self._started_s = 0.0

    async def connect(self, registry: ShopRepository) -> None:
        """Add the shops."""
        for org in self.orgs:
            await registry.add(Shop(org, f"Cửa hàng {org}", "omni", "http://127.0.0.1:9/com", "of-no-shop"))
            await registry.pause(org, reason="manual", by="chaos")

    def stop(self) -> None:
        """Post no more."""
        self.events = self.posted

    async def post(self, *, per_s: float) -> None:
        """Post everything, at most so many events a second."""
        self._per_s, self._started_s = per_s, time.monotonic()
        await asyncio.gather(*(self._post_for(org) for org in self.orgs for _ in range(CONNECTIONS)))

    async def _post_for(self, org: OrgId) -> None:
        while self.posted < self.events:
            url = urlsplit(self._rng.choice(self._urls()))
            try:
                reader, writer = await asyncio.open_connection(url.hostname, url.port)
            except OSError:
                await asyncio.sleep(PAUSE_S)
                continue
            try:
                while self.posted < self.events:
                    await self._post(org, reader, writer)
            except (OSError, EOFError, ValueError):  # a timeout is an OSError
                self.refused[0] += 1
            finally:
                writer.close()

    async def _post(self, org: OrgId, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.posted += 1
        number = self.posted
        await asyncio.sleep(max(0.0, self._started_s + number / self._per_s - time.monotonic()))
        body = b'{"id":%d,"note":"%d"}' % (1 + number % CUSTOMERS, number)
        signature = sign(body, canaries.WEBHOOK_SECRET)
        head = (
            "POST /webhooks/haravan HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\n"
            f"X-Haravan-Topic: customers/update\r\nX-Haravan-Org-Id: {org}\r\n"
            f"X-Haravan-HmacSha256: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        async with asyncio.timeout(TIMEOUT_S):
            answer = await reader.readuntil(b"\r\n\r\n")
            length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        status = int(answer[9:12])
        if status == 200:
            self.acknowledged[org].add(signature)
        else:
            self.refused[status] += 1
            await asyncio.sleep(PAUSE_S)
