"""The web process's own application with its lifespan run, a shop in its store, and a client that signs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from service.settings import Settings, read_settings
from service.store.client import RedisClient
from service.store.shops import ShopRepository
from tests.support.sender import Sender
from tests.support.shop import add_shops, web_environ
from tests.support.web_server import app_client


@pytest.fixture
def environ(redis_url: str, queue_url: str) -> dict[str, str]:
    """The environment of the web process; a test may change it before it uses `client`."""
    return web_environ(redis_url, queue_url)


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    """The settings in that environment."""
    return read_settings(environ)


@pytest.fixture
async def shops(redis: RedisClient) -> ShopRepository:
    """A store with two shops; the first has its own webhook secret."""
    return await add_shops(redis)


@pytest.fixture
async def client(shops: ShopRepository, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application as the fixtures set it up."""
    async with app_client(settings) as client:
        yield client


@pytest.fixture
def sender(client: httpx2.AsyncClient) -> Sender:
    """Delivers webhooks to that application."""
    return Sender(client)
