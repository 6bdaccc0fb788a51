"""The composition root of the web process: builds everything once, and closes it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.alerts import Alerts, apprise_sender
from service.context import Context
from service.cpu_pool import CpuPool, InProcess
from service.ingest import DEADLINE_S, Flush, GroupCommit
from service.recovery import Recovery, RefusalAlerts, unfit_alert
from service.runtime import cancel_and_wait, is_tracing
from service.seeding import seed_or_log
from service.settings import Settings
from service.store.client import RedisClient, StoreMonitor, connect, keys
from service.store.encryption import KeyRing
from service.store.history import trim_unknown_shop
from service.store.move import follow
from service.store.queue import Quota
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.web.access_log import AccessLogMiddleware
from service.web.authentication import FailureLimiter, TokenAuth
from service.web.health import FIRST_CHECK_TIMEOUT_S, PROBE_TIMEOUT_S, Health, ReadinessCheck
from service.web.metrics import Metrics
from service.web.ops import routes as ops_routes
from service.web.pages import build_pages
from service.web.problems import EXCEPTION_HANDLERS
from service.web.tracing import TracingMiddleware
from service.web.webhooks import (
    PATH,
    REFRESH_TIMEOUT_S,
    BatchLogger,
    RejectionTracker,
    ShopCache,
    WebhookEndpoint,
    WebhookMetrics,
)

FLUSH_INTERVAL_S: Final = 5.0
WEBHOOK_PATHS: Final = (PATH, f"{PATH}/")


@dataclass(frozen=True, slots=True)
class _Part:
    """One half of the web process."""

    routes: list[BaseRoute] = field(default_factory=list)
    lifespan: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    exception_handlers: Mapping[Any, Any] = field(default_factory=dict)
    middleware: Sequence[Middleware] = ()


def create_app(settings: Settings, *, timeout_factor: float = 1.0, use_process_pool: bool = True) -> ASGIApp:
    """Build the web process's application: webhooks, console, or both. Opens nothing before its lifespan starts.

    The webhook route stands before Starlette's application, whose middleware would cost each webhook 7 microseconds.
    `timeout_factor` multiplies the timeouts for Redis. Without `use_process_pool` this process does the CPU work itself,
    and webhooks wait meanwhile.
    """
    redis = connect(settings.redis_url, queue_url=settings.queue_url)
    shops = ShopRepository(redis, KeyRing(settings.secret_keys))
    alerts = Alerts(redis, send=apprise_sender(settings.alert_urls))
    cache = ShopCache(
        shops, app_secrets=settings.webhook_secrets, timeout_s=REFRESH_TIMEOUT_S * timeout_factor
    )
    is_receiver = "webhooks" in settings.serve
    recovery = Recovery(
        redis,
        shops,
        alerts,
        # The rules, too: a worker that has not noticed yet would drain the shop without them, and then it is not blank.
        seed=partial(seed_or_log, settings, shops, Versions(redis)),
        reload=cache.reload if is_receiver else _nothing,
    )
    monitor = StoreMonitor(
        redis,
        settings.durability,
        on_change=recovery,
        on_unfit=unfit_alert(alerts),
        follow=partial(follow, redis, shops.keyring),
    )
    metrics = WebhookMetrics()
    webhooks = console = _Part()
    if is_receiver:
        webhooks = _webhooks(redis, cache, alerts, monitor, metrics, settings, timeout_factor=timeout_factor)
    if "console" in settings.serve:
        console = _console(redis, shops, settings, use_process_pool=use_process_pool)
    readiness = ReadinessCheck(monitor, timeout_s=FIRST_CHECK_TIMEOUT_S * timeout_factor)
    health = Health(
        redis,
        readiness,
        Metrics(redis, shops, metrics.registry),
        metrics_token=settings.metrics_token,
        timeout_s=PROBE_TIMEOUT_S * timeout_factor,
    )

    @asynccontextmanager
    async def lifespan(_: Router) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis.aclose)
            stack.push_async_callback(alerts.drain)
            await stack.enter_async_context(webhooks.lifespan())
            await stack.enter_async_context(console.lifespan())
            stack.push_async_callback(readiness.stop)
            await readiness.start()
            yield

    others = Starlette(
        routes=[*health.routes(), *console.routes],  # each route in front of one costs it a microsecond
        middleware=[Middleware(AccessLogMiddleware), *console.middleware],
        exception_handlers={**EXCEPTION_HANDLERS, **console.exception_handlers},
    )
    app = Router(webhooks.routes, redirect_slashes=False, default=others, lifespan=lifespan)
    return TracingMiddleware(app) if is_tracing() else app


async def _nothing(_: Collection[int]) -> None:
    """A process without webhooks has no cache to load again."""


def _webhooks(
    redis: RedisClient,
    cache: ShopCache,
    alerts: Alerts,
    monitor: StoreMonitor,
    metrics: WebhookMetrics,
    settings: Settings,
    *,
    timeout_factor: float,
) -> _Part:
    rejections = RejectionTracker(redis, alerts, metrics)
    logger, refusals = BatchLogger(metrics), RefusalAlerts(alerts, settings)

    def on_flush(flush: Flush) -> None:
        logger(flush)
        refusals(flush)

    ingest = GroupCommit(
        redis,
        retention_s=settings.retention_days * keys.DAY_S,
        deadline_s=DEADLINE_S * timeout_factor,
        on_flush=on_flush,
        quota=Quota(settings.shop_max_waiting, settings.shop_max_deliveries),
        monitor=monitor,
        replicas=1 if settings.durability == "replica" else 0,
    )
    endpoint = WebhookEndpoint(
        ingest=ingest,
        shops=cache,
        rejections=rejections,
        metrics=metrics,
        verify_token=settings.verify_token,
    )

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            ingest.start()
            cache.start()
            stack.callback(logger.flush)
            stack.push_async_callback(ingest.stop)
            stack.push_async_callback(rejections.flush)
            stack.push_async_callback(cache.stop)
            stack.push_async_callback(cancel_and_wait, asyncio.create_task(_flush_loop(redis, rejections)))
            yield

    return _Part([Route(path, endpoint) for path in WEBHOOK_PATHS], lifespan)


def _console(
    redis: RedisClient, shops: ShopRepository, settings: Settings, *, use_process_pool: bool
) -> _Part:
    context, pool = Context(redis, shops, Versions(redis), settings=settings), CpuPool(settings)
    runner = pool if use_process_pool else InProcess(context)
    alerts = Alerts(redis, send=apprise_sender(settings.alert_urls))
    auth = TokenAuth(redis, settings.ops_tokens, alerts=alerts, limiter=FailureLimiter())

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await pool.stop()
            await alerts.drain()

    pages = build_pages(context, runner, alerts, is_development=settings.is_development)
    # X-Forwarded-For of these names the client: failed sign-ins and wrong tokens are limited by its address.
    proxies: Any = Middleware(ProxyHeadersMiddleware, trusted_hosts=[*settings.trusted_proxies])
    routes = [*ops_routes(context, runner, auth), *pages.routes]
    return _Part(routes, lifespan, {404: pages.not_found}, [proxies])


async def _flush_loop(redis: RedisClient, rejections: RejectionTracker) -> None:
    """Store the counts of rejections, and trim the deliveries of unknown shops, every few seconds."""
    while True:
        await asyncio.sleep(FLUSH_INTERVAL_S)
        await rejections.flush()
        with suppress(RedisError, OSError):
            await trim_unknown_shop(redis)
