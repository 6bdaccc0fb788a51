"""The running system as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from service.store.client import RedisClient
from service.store.shops import ShopRepository
from tests.support.shop import add_shops
from tests.system.environment import System, running


@pytest.fixture
async def system(redis: RedisClient, redis_url: str, queue_url: str) -> AsyncIterator[System]:
    """One shop, one web process, one worker."""
    async with running(redis, redis_url, queue_url) as system:
        yield system


@pytest.fixture
async def shops(redis: RedisClient) -> ShopRepository:
    """A store with two shops; the first has its own webhook secret."""
    return await add_shops(redis)
