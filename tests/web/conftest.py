"""The web process's own application with its lifespan run, a shop in its store, and a client that signs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from arq.connections import ArqRedis
from starlette.types import ASGIApp

from service.app import create_app
from service.domain.customers.customer import OrgId
from service.errors import InvalidSettings
from service.settings import Settings, read_settings
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository

ORG = OrgId("1000000001")
OTHER_ORG = OrgId("1000000002")
APP_SECRET = "an-app-secret"
OWN_SECRET = "the-shops-own-secret"
OPS_TOKEN = "ops-token-0123456789"
KEY = "k" * 32
PATH = "/webhooks/haravan"


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    """What Haravan would put into `X-Haravan-HmacSha256`."""
    return b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass
class Sender:
    """Delivers webhooks the way Haravan does."""

    client: httpx2.AsyncClient

    async def deliver(
        self,
        body: bytes,
        *,
        topic: str | None = "customers/update",
        org: str | None = ORG,
        secret: str = APP_SECRET,
        **headers: str | None,
    ) -> httpx2.Response:
        """POST a signed body; a header given as None is left out."""
        all_headers: dict[str, str | None] = {
            "X-Haravan-Topic": topic,
            "X-Haravan-Org-Id": org,
            "X-Haravan-HmacSha256": signature(body, secret),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        sent = {name: value for name, value in all_headers.items() if value is not None}
        return await self.client.post(PATH, content=body, headers=sent)


@pytest.fixture
def environ(redis_url: str) -> dict[str, str]:
    """The environment of the web process; a test may change it before it asks for `sender`."""
    return {
        "REDIS_URL": redis_url,
        "HARAVAN_WEBHOOK_SECRETS": f"an-older-secret,{APP_SECRET}",
        "HARAVAN_VERIFY_TOKEN": "a-verify-token",
        "SECRET_KEY": KEY,
        "OPS_TOKENS": f"an={OPS_TOKEN}",
        "DURABILITY": "everysec",
    }


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return read_settings(environ)


@pytest.fixture
async def shops(redis: ArqRedis) -> ShopRepository:
    """A store with two shops; the first has a webhook secret of its own."""
    shops = ShopRepository(redis, Cipher([KEY]))
    address = "https://apis.haravan.com/com"
    await shops.add(
        Shop(org=ORG, name="Một", dialect="omni", api_url=address, token="t" * 20, secret=OWN_SECRET)
    )
    other = "https://hai.myharavan.com/admin"
    await shops.add(Shop(org=OTHER_ORG, name="Hai", dialect="admin", api_url=other, token="t" * 20))
    return shops


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[None]:
    """Run the application's lifespan around the block."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[Any] = asyncio.Queue()
    await told.put({"type": "lifespan.startup"})
    task = asyncio.ensure_future(app({"type": "lifespan", "state": {}}, told.get, said.put))
    started = await said.get()
    if started["type"] != "lifespan.startup.complete":
        await task
        raise InvalidSettings(started["message"])
    try:
        yield
    finally:
        await told.put({"type": "lifespan.shutdown"})
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the running application, without a socket between."""
    app = create_app(
        settings, timeout_factor=20, use_process_pool=False
    )  # a busy machine must not look like a slow store
    async with running(app):
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


@pytest.fixture
async def client(shops: ShopRepository, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application as the fixtures set it up."""
    async with serving(settings) as client:
        yield client


@pytest.fixture
def sender(client: httpx2.AsyncClient) -> Sender:
    return Sender(client)
