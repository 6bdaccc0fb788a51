"""The test shop as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from service.store.client import RedisClient
from tests.workers.stage import Stage, staged


@pytest.fixture
async def stage(redis: RedisClient) -> AsyncIterator[Stage]:
    """A shop with the VIP rule."""
    async with staged(redis) as stage:
        yield stage
