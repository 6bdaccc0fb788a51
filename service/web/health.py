"""The readiness check of Redis, and the endpoints /healthz, /readyz and /metrics."""

from __future__ import annotations

import asyncio
import hmac
import time
from typing import Any, Final

import structlog
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.errors import InvalidSettings, TaggerError
from service.runtime import cancel_and_wait
from service.sentence import Sentence
from service.settings import Settings
from service.store.client import (
    RedisClient,
    StoreMonitor,
    StoreUnfit,
    check_server,
    connect,
    require_durable,
    server_time_ms,
)
from service.store.encryption import KeyRing
from service.store.jobs import last_heartbeat_ms
from service.store.move import follow
from service.web.metrics import Metrics

CHECK_INTERVAL_S: Final = 1.0
FIRST_CHECK_TIMEOUT_S: Final = 3.0
PROBE_TIMEOUT_S: Final = 0.8
MAX_WORKER_AGE_S: Final = 60  # since the last heartbeat


async def check_store(settings: Settings) -> None:
    """Check Redis before the server starts: raises InvalidSettings if Redis would lose acknowledged data.

    If Redis is down it returns: the process starts, answers 503, and repeats the check.
    """
    redis = connect(settings.redis_url)
    try:
        async with asyncio.timeout(FIRST_CHECK_TIMEOUT_S):
            await follow(redis, KeyRing(settings.secret_keys))
            require_durable(await check_server(redis, settings.durability))
    except (RedisError, OSError):  # a timeout is an OSError
        pass
    finally:
        await redis.aclose()


class ReadinessCheck:
    """Checks Redis at the start and every second after it.

    A Redis that is not fit stops the start. Later it does not end the process: webhooks are answered 503 until it is fit.
    """

    def __init__(self, monitor: StoreMonitor, *, timeout_s: float = FIRST_CHECK_TIMEOUT_S) -> None:
        self.monitor = monitor
        self._timeout_s = timeout_s
        self._repeating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Check once, then in the background. Raises InvalidSettings if Redis is not fit, and the errors of seeding."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.monitor.check()
        except StoreUnfit as exc:
            raise InvalidSettings(Sentence("The Redis server is not fit:"), problems=[str(exc)]) from exc
        except (RedisError, OSError) as exc:  # a timeout is an OSError
            structlog.get_logger().error(
                "store_check",
                outcome="store_unavailable",
                cause=type(exc).__name__,
                retry_in_s=CHECK_INTERVAL_S,
            )
        self._repeating = asyncio.create_task(self._repeat(), name="store_check")

    async def stop(self) -> None:
        """Stop checking."""
        if self._repeating is not None:
            await cancel_and_wait(self._repeating)

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                await self.monitor.check()
            except (RedisError, OSError, StoreUnfit):
                continue  # the monitor has logged an unfit server, and requests show an unavailable one
            except TaggerError as exc:
                structlog.get_logger().error("store_check", outcome="refused", cause=str(exc))
            except Exception:  # noqa: BLE001  # outermost loop: a bug in one check must not end it
                structlog.get_logger().exception("store_check", outcome="error")


class Health:
    """The three endpoints that monitoring calls every few seconds."""

    def __init__(
        self,
        redis: RedisClient,
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
        """200 if Redis answers and is fit. Without workers it is 200 too: Redis keeps the marks for them.

        A full Redis is a finding: people must still reach the ops API.
        """
        answers, age_s = await self._probe()
        monitor = self._readiness.monitor
        facts = {
            "ready": answers and monitor.is_fit,
            "store": "answers" if answers else "does not answer",
            "durability": "checked" if monitor.is_fit else "not fit, or not checked yet",
            "workers": "seen" if age_s is not None and age_s < MAX_WORKER_AGE_S else "not seen",
            "worker_seen_s_ago": age_s,
            "findings": [
                {"level": finding.level, "name": finding.name, "text": finding.text}
                for finding in monitor.findings
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
        """Whether a server of Redis answers in time, and the age of the workers' last heartbeat."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await server_time_ms(self._redis)
                beat_ms = await last_heartbeat_ms(self._redis)
        except (RedisError, OSError):  # a timeout is an OSError
            return False, None
        return True, None if beat_ms is None else max(0, int(time.time() - beat_ms / 1000))
