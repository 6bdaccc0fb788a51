"""A visitor of the pages for each role."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx2
import pytest

from service.domain.access import Role
from service.store.client import RedisClient
from service.web.pages.publishing import working
from tests.support.visitors import Visitor, visit_as

VisitAs = Callable[[Role], Awaitable[Visitor]]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short review is answered at once, also on a busy machine."""
    monkeypatch.setattr(working, "ANSWER_TIMEOUT_S", 60.0)


@pytest.fixture
def visitor_of(client: httpx2.AsyncClient, redis: RedisClient) -> VisitAs:
    """Makes a visitor with a role, for every shop."""

    async def make(role: Role) -> Visitor:
        return await visit_as(client, redis, role)

    return make


@pytest.fixture
async def owner(client: httpx2.AsyncClient, redis: RedisClient) -> Visitor:
    """A visitor who may do everything."""
    return await visit_as(client, redis, Role.OWNER)
