"""A shop with twenty customers, and visitors of its pages."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from service.domain.access import Role
from service.publishing.editor import warm
from service.store.client import RedisClient
from service.store.shops import ShopRepository
from tests.support.customers import spending, store_customers
from tests.support.shop import ORG
from tests.support.visitors import Visitor, visit_as


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    """No shop is in memory before a test."""
    warm.forget()
    yield
    warm.forget()


@pytest.fixture
async def twenty(redis: RedisClient, shops: ShopRepository) -> None:
    """Twenty customers who spent 1 to 20 million."""
    await store_customers(redis, shops, ORG, spending(20))


@pytest.fixture
async def lan(client: httpx2.AsyncClient, redis: RedisClient, twenty: None) -> Visitor:
    """A marketer."""
    return await visit_as(client, redis, Role.MARKETER, name="lan")


@pytest.fixture
async def minh(client: httpx2.AsyncClient, redis: RedisClient, twenty: None) -> Visitor:
    """Somebody of ops."""
    return await visit_as(client, redis, Role.OPS, name="minh")
