"""A diagnosis is shared and kept for half a minute; another state of the shop makes a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.context import Context
from service.cpu_pool import InProcess
from service.doctor import DoctorCache, Severity
from service.doctor.cache import TTL_S
from service.domain.customers import OrgId
from service.errors import NotFound, Overloaded
from service.store.client import RedisClient
from service.store.rules import Versions
from tests.support.shop import ORG, OTHER_ORG, add_shops


class CountingPool:
    """Runs the work in this process, and counts it."""

    def __init__(self, context: Context) -> None:
        self.calls, self.is_full = 0, False
        self._inner = InProcess(context)

    async def run(self, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        if self.is_full:
            raise Overloaded("too many evaluations")
        self.calls += 1
        return await self._inner.run(function, *args, **kwargs)


@pytest.fixture
async def pool(redis: RedisClient) -> CountingPool:
    return CountingPool(Context(redis, await add_shops(redis), Versions(redis)))


async def test_many_who_look_cost_one_diagnosis_in_half_a_minute(pool: CountingPool) -> None:
    now = [0.0]
    cache = DoctorCache(pool, clock=lambda: now[0])

    reports = await asyncio.gather(*(cache.diagnose(ORG, "vi") for _ in range(20)))
    now[0] += TTL_S
    await cache.diagnose(ORG, "vi")
    first = pool.calls
    now[0] += 0.1
    await cache.diagnose(ORG, "vi")

    assert reports[0] is not None
    assert reports[0].findings[0].severity is Severity.CRITICAL
    assert (first, pool.calls) == (1, 2)


async def test_other_shops_languages_and_states_are_diagnosed_by_themselves(pool: CountingPool) -> None:
    cache = DoctorCache(pool, clock=lambda: 0.0)

    await cache.diagnose(ORG, "vi", state=1)
    await cache.diagnose(ORG, "vi", state=2)
    await cache.diagnose(ORG, "en", state=2)
    await cache.diagnose(OTHER_ORG, "en", state=2)
    await cache.diagnose(OTHER_ORG, "en", state=2)

    assert pool.calls == 4


async def test_a_failure_is_not_kept(pool: CountingPool) -> None:
    cache = DoctorCache(pool, clock=lambda: 0.0)
    pool.is_full = True
    busy = await cache.diagnose(ORG, "vi")
    pool.is_full = False

    assert busy is None
    assert await cache.diagnose(ORG, "vi") is not None


async def test_a_shop_that_does_not_exist_is_not_found(pool: CountingPool) -> None:
    with pytest.raises(NotFound):
        await DoctorCache(pool).diagnose(OrgId("999"), "vi")
