"""Whether the process lives, whether it can do its work, and its numbers."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.store.counters import last_beat_ms
from service.web.boot import Boot
from service.web.metrics import Metrics

ANSWER_WITHIN_S: Final = 0.8
WORKER_SEEN_S: Final = 60


class Health:
    """The three addresses that machines ask every few seconds."""

    def __init__(
        self, redis: Redis, boot: Boot, metrics: Metrics, *, within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._boot = boot
        self._metrics = metrics
        self._within_s = within_s

    def routes(self) -> list[Route]:
        """Their routes."""
        return [
            Route("/healthz", self.lives),
            Route("/readyz", self.ready),
            Route("/metrics", self.numbers),
        ]

    async def lives(self, _: Request) -> Response:
        """200 as long as the process answers; says nothing of Redis, whose absence no restart of ours would mend."""
        return PlainTextResponse("ok")

    async def ready(self, _: Request) -> Response:
        """200 when a webhook would be acknowledged now. Missing workers are told, not refused: events are kept."""
        answers, age_s = await self._ask()
        good = answers and self._boot.fit
        told = {
            "ready": good,
            "store": "answers" if answers else "does not answer",
            "durability": "fit" if self._boot.fit else "not known to be fit",
            "workers": "seen" if age_s is not None and age_s < WORKER_SEEN_S else "not seen",
            "worker_seen_s_ago": age_s,
            "findings": [
                {"level": each.level, "name": each.name, "text": each.text} for each in self._boot.findings
            ],
        }
        return JSONResponse(told, status_code=200 if good else 503)

    async def numbers(self, _: Request) -> Response:
        """Prometheus' text format."""
        return Response(await self._metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _ask(self) -> tuple[bool, int | None]:
        """Whether Redis answers in time, and how many seconds ago a worker was seen."""
        try:
            async with asyncio.timeout(self._within_s):
                await self._redis.ping()
                beat = await last_beat_ms(self._redis)
        except (RedisError, OSError):  # a timeout is an OSError
            return False, None
        return True, None if beat is None else max(0, int(time.time() - beat / 1000))
