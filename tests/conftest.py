"""A real Valkey for each test process, emptied for each test; warnings and unexpected errors fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from arq.connections import ArqRedis
from hypothesis import HealthCheck, is_hypothesis_test, settings

from service.store.client import connect
from tests.support.valkey import valkey

PROPERTY_SUITES = frozenset({"model", "reference", "fuzz"})


def pytest_configure(config: pytest.Config) -> None:
    """Random examples may take as long as the machine needs.

    A run without slow tests repeats the same examples, so that a failure comes from a change. Any other run looks for
    new ones.
    """
    if config.getoption("--hypothesis-profile"):
        return
    settings.register_profile("new", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("ci" if "not slow" in config.getoption("markexpr") else "new")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark property tests, so that `-m "not slow and not process and not property"` takes seconds."""
    for item in items:
        is_random = isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)
        if is_random or not PROPERTY_SUITES.isdisjoint(item.path.parts):
            item.add_marker(pytest.mark.property)


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """A test that runs a program in this process leaves its configuration of the log behind: undo it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Valkey of this test process."""
    with valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    """A client of an empty store."""
    client = connect(redis_url, timeout_s=60)  # a busy machine must not look like a slow store
    client.connection_pool.connection_kwargs["socket_connect_timeout"] = 60
    await client.flushall()
    yield client
    await client.aclose()
