"""The running system as a fixture."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from arq.connections import ArqRedis

from tests.flow.system import System, running


@pytest.fixture
async def system(redis: ArqRedis, redis_url: str) -> AsyncIterator[System]:
    """One shop, one web process, one worker."""
    async with running(redis, redis_url) as system:
        yield system
