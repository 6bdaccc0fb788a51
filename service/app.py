"""The web process's root: builds everything once, and takes it down again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from arq.connections import ArqRedis
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from service.alerts import Alerts, apprise_sender
from service.errors import BadSettings
from service.settings import Settings
from service.store import keys
from service.store.cipher import Cipher
from service.store.connection import connect
from service.store.deliveries import forget_strangers
from service.store.ingest import DEADLINE_S, Ingest
from service.store.shops import Shops
from service.store.versions import Versions
from service.tasks import cancel_and_wait
from service.web import webhooks
from service.web.boot import FIRST_WITHIN_S, Boot
from service.web.directory import WAIT_S, Directory
from service.web.express import Desk
from service.web.health import ANSWER_WITHIN_S, Health
from service.web.journal import Batches, Journal
from service.web.metrics import Metrics
from service.web.ops.access import Access
from service.web.ops.answers import Here
from service.web.ops.beside import Beside
from service.web.ops.floor import Floor
from service.web.ops.followed import Followed
from service.web.ops.routes import routes as ops
from service.web.problems import HANDLERS
from service.web.refusals import Refusals
from service.web.tally import Tally

CONNECTIONS: Final = 64
KEEP_HOUSE_S: Final = 5.0
Lifespan = Callable[[], AbstractAsyncContextManager[None]]


class Front:
    """The webhook path goes straight to its application; everything else takes Starlette's way."""

    def __init__(self, webhook: webhooks.Webhooks, rest: ASGIApp, lifespan: Lifespan) -> None:
        self.desk: Desk = webhook
        self._webhook = webhook
        self._rest = rest
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == webhooks.PATH:
            await self._webhook(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start, wait, stop. Starlette's own would tell a wrong setting as a traceback."""
        await receive()
        try:
            async with self._lifespan():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except BadSettings as exc:
            await send({"type": "lifespan.startup.failed", "message": str(exc)})
            return
        await send({"type": "lifespan.shutdown.complete"})


def create_app(settings: Settings, *, patience: float = 1.0, rules_beside: bool = True) -> ASGIApp:
    """Build the web process's application. Nothing is opened before its lifespan starts.

    `patience` is how many times as long as usual the store is waited for before the answer is 503. Without
    `rules_beside` this process itself looks at rules and everybody: for where no webhook waits meanwhile.
    """
    redis = connect(settings.redis_url, connections=CONNECTIONS)
    alerts = Alerts(redis, send=apprise_sender(settings.alert_urls))
    tally = Tally()
    shops = Shops(redis, Cipher(settings.secret_keys))
    directory = Directory(shops, app_secrets=settings.webhook_secrets, wait_s=WAIT_S * patience)
    refusals = Refusals(redis, alerts, tally)
    boot = Boot(redis, shops, settings, first_within_s=FIRST_WITHIN_S * patience)
    batches = Batches(tally)
    ingest = Ingest(
        redis,
        retention_s=settings.retention_days * keys.DAY_S,
        deadline_s=DEADLINE_S * patience,
        on_batch=batches,
    )
    webhook = webhooks.Webhooks(
        ingest=ingest,
        directory=directory,
        refusals=refusals,
        tally=tally,
        verify_token=settings.verify_token,
        require_fit=boot.require,
    )
    health = Health(redis, boot, Metrics(redis, shops, tally), within_s=ANSWER_WITHIN_S * patience)
    here, beside = Here(Floor(redis, shops, Versions(redis))), Beside(settings)
    followed = Followed(redis, beside if rules_beside else here)
    api = ops(here, followed, Access(settings.ops_tokens))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(redis.aclose)
            stack.push_async_callback(followed.settled)
            stack.push_async_callback(beside.stop)
            await boot.start()
            stack.push_async_callback(boot.stop)
            ingest.start()
            stack.push_async_callback(alerts.drain)
            stack.callback(batches.flush)
            stack.push_async_callback(ingest.stop)
            stack.push_async_callback(refusals.flush)
            stack.push_async_callback(cancel_and_wait, asyncio.create_task(_keep_house(redis, refusals)))
            yield

    rest = Starlette(routes=[*health.routes(), *api], exception_handlers=HANDLERS)
    return Front(webhook, Journal(rest), lifespan)


async def _keep_house(redis: ArqRedis, refusals: Refusals) -> None:
    """What has to be done now and then, whoever asks for what."""
    while True:
        await asyncio.sleep(KEEP_HOUSE_S)
        await refusals.flush()
        with suppress(RedisError, OSError):
            await forget_strangers(redis)
