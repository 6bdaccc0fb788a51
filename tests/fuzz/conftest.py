"""The web process's server over real sockets, in a thread, for generators that know nothing of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from service.domain.customers import Customer, encode_snapshot
from service.domain.documents import parse_rules
from service.domain.events import EVENT_TYPES, Endpoint, EndpointState, SealedSecret
from service.settings import read_settings
from service.store.client import connect, keys
from service.store.events import endpoints
from service.store.rules import Versions
from tests.support.shop import ORG, add_shops, web_environ
from tests.support.valkey import valkey
from tests.support.web_server import serving_in_thread

RULES = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}\n"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A durable Valkey for these tests alone: other tests empty theirs, and count its keys."""
    with valkey(tmp_path_factory.mktemp("fuzz"), fsync="always") as url:
        yield url


@pytest.fixture(scope="session")
def port(redis_url: str) -> Iterator[int]:
    """The port of the server. Its store has a shop with two versions of rules, two customers and two endpoints of events."""
    asyncio.run(_fill(redis_url))
    with serving_in_thread(read_settings(web_environ(redis_url) | {"DURABILITY": "fsync"})) as port:
        yield port


async def _fill(redis_url: str) -> None:
    redis = connect(redis_url)
    await add_shops(redis)
    versions = Versions(redis)
    for parent, threshold in enumerate((20_000_000, 10_000_000)):
        await versions.publish(ORG, parse_rules(RULES % threshold), author="Lan", parent=parent)
    for number in (1, 2):
        customer = Customer(id=number, total_spent=15_000_000_0000 * number, tags=("Khách sỉ",))
        await redis.hset(keys.shop(ORG, "snapshots"), mapping={str(number): encode_snapshot(customer)})
    for _ in range(2):
        endpoint = Endpoint(
            id=await endpoints.next_id(redis, ORG),
            url="https://hooks.example.com/haravan",
            events=EVENT_TYPES,
            secrets=(SealedSecret(b"sealed"),),
            by="Lan",
            created_ms=1_764_000_000_000,
        )
        await endpoints.add(redis, ORG, endpoint, EndpointState())
        await endpoints.add_dead(
            redis, ORG, endpoint.id, source="ledger", entry="1764000000000-0", cause="HTTP 400"
        )
    await redis.aclose()
