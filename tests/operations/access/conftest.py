"""A context with two shops."""

from __future__ import annotations

import pytest

from service.context import Context
from service.store.client import RedisClient
from service.store.rules import Versions
from tests.support.shop import add_shops


@pytest.fixture
async def context(redis: RedisClient) -> Context:
    """The store with two shops."""
    return Context(redis, await add_shops(redis), Versions(redis))
