"""Posts webhooks directly to one web process, as fast as it answers, and records the answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import aiohttp

from deploy.sandbox.webhooks.signature import sign
from service.runtime.tasks import BackgroundTasks
from tests.support import canaries

ORG = "1000000001"
TOPIC = "customers/update"


class Answer(NamedTuple):
    """A webhook: when it was due (seconds of the monotonic clock), and how long after that it was answered 200."""

    due_s: float
    took_s: float  # infinite: it was not


@dataclass(slots=True)
class PostedWebhooks:
    """Webhooks that were answered 200, by signature with the time, and other answers by status."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    durations_s: list[float] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def p99_s(self, since_s: float, until_s: float) -> float:
        """The time that 99 of 100 webhooks that were due in this time took. One that was not answered 200 took forever."""
        took = sorted(answer.took_s for answer in self.answers if since_s <= answer.due_s < until_s)
        return took[min(len(took) - 1, int(0.99 * len(took)))] if took else 0.0

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without an acknowledgement between two times."""
        times = sorted(at_s for at_s in self.acknowledged.values() if since_s <= at_s <= until_s)
        moments = [since_s, *times, until_s]
        return max(later - earlier for earlier, later in pairwise(moments))

    def acknowledged_after(self, moment_s: float) -> set[str]:
        """The signatures that were acknowledged after that time (seconds of the monotonic clock)."""
        return {signature for signature, at_s in self.acknowledged.items() if at_s > moment_s}


class Poster:
    """Posts new deliveries until `stop`: over several connections, each as fast as it is answered, or steadily."""

    def __init__(
        self, url: str, *, connections: int = 32, org: str = ORG, per_s: float | None = None
    ) -> None:
        self._url = url
        self._org = org
        self._per_s = per_s  # webhooks, whatever the answers; None: as fast as they are answered
        self._connections = connections
        self._number = 0
        self._stopping = False
        self.posted = PostedWebhooks()

    def stop(self) -> None:
        self._stopping = True

    async def run(self) -> PostedWebhooks:
        """Post until `stop`, and wait for the answers."""
        connector = aiohttp.TCPConnector(limit=0)
        limit = aiohttp.ClientTimeout(total=5)  # Haravan waits 5 s
        async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:
            if self._per_s is None:
                await asyncio.gather(*(self._post_on(session) for _ in range(self._connections)))
            else:
                await self._post_steadily(session, self._per_s)
        return self.posted

    async def _post_on(self, session: aiohttp.ClientSession) -> None:
        while not self._stopping:
            if await self._post(session, time.monotonic()) != 200:
                await asyncio.sleep(0.05)

    async def _post_steadily(self, session: aiohttp.ClientSession, per_s: float) -> None:
        posts, due_s = BackgroundTasks(), time.monotonic()
        while not self._stopping:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            posts.start(self._post(session, due_s))
            due_s += 1 / per_s
        await posts.wait()

    async def _post(self, session: aiohttp.ClientSession, due_s: float) -> int:
        """The status of the answer; 0 if there was none."""
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
            pass
        self._record(body, status, started_s, due_s)
        return status

    def _record(self, body: bytes, status: int, started_s: float, due_s: float) -> None:
        now = time.monotonic()
        self.posted.answers.append(Answer(due_s, now - due_s if status == 200 else float("inf")))
        if status == 200:
            self.posted.acknowledged[sign(body, canaries.WEBHOOK_SECRET)] = now
            self.posted.durations_s.append(now - started_s)
        else:
            self.posted.refused[status] += 1
