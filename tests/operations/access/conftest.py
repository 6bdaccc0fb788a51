"""A context with two shops."""

from __future__ import annotations

import pytest
from arq.connections import ArqRedis

from service.context import Context
from service.store.rules import Versions
from tests.support.shop import add_shops


@pytest.fixture
async def context(redis: ArqRedis) -> Context:
    """The store with two shops."""
    return Context(redis, await add_shops(redis), Versions(redis))
