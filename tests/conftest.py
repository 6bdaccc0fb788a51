"""A real Valkey for each test process, emptied for each test; warnings and unexpected errors fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, is_hypothesis_test, settings

from service.store.client import RedisClient, connect
from tests.support.cluster import cluster
from tests.support.valkey import valkey

PROPERTY_SUITES = frozenset({"model", "reference", "fuzz"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--store cluster`: all tests run against a cluster of Valkey."""
    parser.addoption("--store", choices=("server", "cluster"), default="server", help="what REDIS_URL is")


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
    is_cluster = bool(items) and items[0].config.getoption("--store") == "cluster"
    for item in items:
        if is_cluster and item.get_closest_marker("one_server"):
            item.add_marker(pytest.mark.skip(reason="it looks at one server"))
        is_random = isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)
        if is_random or not PROPERTY_SUITES.isdisjoint(item.path.parts):
            item.add_marker(pytest.mark.property)


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """A test that runs a program in this process leaves its configuration of the log behind: undo it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The store of this test process: a Valkey, or with `--store cluster` a cluster."""
    is_cluster = request.config.getoption("--store") == "cluster"
    with (cluster if is_cluster else valkey)(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def queue_url(
    request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """arq's Redis of this test process: that of the store, unless it is a cluster."""
    if request.config.getoption("--store") == "server":
        yield redis_url
        return
    with valkey(tmp_path_factory.mktemp("queue")) as url:
        yield url


@pytest.fixture
async def redis(redis_url: str, queue_url: str) -> AsyncIterator[RedisClient]:
    """A client of an empty store."""
    # a busy machine must not look like a slow store
    client = connect(redis_url, queue_url=queue_url, timeout_s=60, connect_timeout_s=60)
    await client.flushall()
    if queue_url != redis_url:
        await client.queue.flushall()
    yield client
    await client.aclose()
