"""The readiness check of Redis, and the endpoints /healthz, /readyz and /metrics."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.errors import TaggerError
from service.seeding import seed_shop
from service.settings import Settings
from service.store.client import ServerCheck, check_server, connect, require_durable
from service.store.jobs import last_heartbeat_ms
from service.store.shops import ShopRepository
from service.web.metrics import Metrics

RETRY_DELAY_S: Final = 1.0
FIRST_CHECK_TIMEOUT_S: Final = 3.0
PROBE_TIMEOUT_S: Final = 0.8
MAX_WORKER_AGE_S: Final = 60  # since the last heartbeat


async def check_store(settings: Settings) -> None:
    """Check Redis before the server starts: raises InvalidSettings if Redis would lose acknowledged data.

    If Redis is down it returns: the process starts, answers 503, and repeats the check.
    """
    redis = connect(settings.redis_url, connections=1)
    try:
        async with asyncio.timeout(FIRST_CHECK_TIMEOUT_S):
            require_durable(await check_server(redis, settings.durability))
    except (RedisError, OSError):  # a timeout is an OSError
        pass
    finally:
        await redis.aclose()


class ReadinessCheck:
    """Checks that Redis is durable and seeds the environment's shop, then calls `on_ready` once.

    The check is repeated while Redis is down. If Redis then is not durable, the process still answers 503.
    """

    def __init__(
        self,
        redis: Redis,
        shops: ShopRepository,
        settings: Settings,
        *,
        timeout_s: float = FIRST_CHECK_TIMEOUT_S,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._redis = redis
        self._shops = shops
        self._settings = settings
        self._timeout_s = timeout_s
        self._on_ready = on_ready
        self.findings: list[ServerCheck] = []
        self.is_ready = False
        self._retrying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Check once, and repeat it in the background if Redis is down. Raises InvalidSettings if Redis is not durable."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._check()
        except (RedisError, OSError) as exc:  # a timeout is an OSError
            structlog.get_logger().error(
                "startup_check",
                outcome="store_unavailable",
                cause=type(exc).__name__,
                retry_in_s=RETRY_DELAY_S,
            )
            self._retrying = asyncio.create_task(self._retry())

    async def stop(self) -> None:
        """Stop checking."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)

    async def _retry(self) -> None:
        while not self.is_ready:
            await asyncio.sleep(RETRY_DELAY_S)
            try:
                await self._check()
            except (RedisError, OSError):
                continue
            except TaggerError as exc:
                structlog.get_logger().error("startup_check", outcome="refused", cause=str(exc))

    async def _check(self) -> None:
        self.findings = await check_server(self._redis, self._settings.durability)
        require_durable(self.findings)
        await seed_shop(self._settings, self._shops)
        self.is_ready = True
        self._on_ready()
        for finding in self.findings:
            structlog.get_logger().warning(
                "startup_check", outcome=finding.level, cause=finding.name, text=finding.text
            )


class Health:
    """The three endpoints that monitoring calls every few seconds."""

    def __init__(
        self,
        redis: Redis,
        readiness: ReadinessCheck,
        metrics: Metrics,
        *,
        metrics_token: str = "",
        timeout_s: float = PROBE_TIMEOUT_S,
    ) -> None:
        self._redis: Any = redis  # redis-py types its answers as "awaitable or not"
        self._readiness = readiness
        self._metrics = metrics
        self._metrics_token = metrics_token.encode()
        self._timeout_s = timeout_s

    def routes(self) -> list[Route]:
        """The routes of the endpoints."""
        return [
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
        ]

    async def healthz(self, _: Request) -> Response:
        """200 while the process answers, also without Redis: a restart of this process would not repair Redis."""
        return PlainTextResponse("ok")

    async def readyz(self, _: Request) -> Response:
        """200 if a webhook would be acknowledged now. Without workers it is 200 too: Redis keeps the marks for them."""
        answers, age_s = await self._probe()
        durable = self._readiness.is_ready
        facts = {
            "ready": answers and durable,
            "store": "answers" if answers else "does not answer",
            "durability": "checked" if durable else "not checked yet",
            "workers": "seen" if age_s is not None and age_s < MAX_WORKER_AGE_S else "not seen",
            "worker_seen_s_ago": age_s,
            "findings": [
                {"level": finding.level, "name": finding.name, "text": finding.text}
                for finding in self._readiness.findings
            ],
        }
        return JSONResponse(facts, status_code=200 if facts["ready"] else 503)

    async def metrics(self, request: Request) -> Response:
        """All metrics in Prometheus' text format. Shops are named only to a client with METRICS_TOKEN.

        A wrong token is refused, or a scrape with an old one would lose its shops in silence.
        """
        given = request.headers.get("authorization", "")
        by_shop = bool(self._metrics_token) and self._has_token(given)
        if self._metrics_token and given and not by_shop:
            text = "send `Authorization: Bearer TOKEN` with METRICS_TOKEN, or no Authorization for the sums over all shops"
            return PlainTextResponse(text, status_code=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(
            await self._metrics.render(by_shop=by_shop),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    def _has_token(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        is_known = hmac.compare_digest(token.strip().encode(), self._metrics_token)
        return is_known and scheme.lower() == "bearer"

    async def _probe(self) -> tuple[bool, int | None]:
        """Whether Redis answers in time, and the age of the workers' last heartbeat."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._redis.ping()
                beat_ms = await last_heartbeat_ms(self._redis)
        except (RedisError, OSError):  # a timeout is an OSError
            return False, None
        return True, None if beat_ms is None else max(0, int(time.time() - beat_ms / 1000))
