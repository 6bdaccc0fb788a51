"""The real web process's server over a real socket, in a thread, so that generators that know nothing of asyncio can ask it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import uvicorn

from service import __main__ as process
from service.app import create_app
from service.domain.customers.customer import Customer, encode_snapshot
from service.domain.documents.parser import parse_rules
from service.settings import read_settings
from service.store.client import keys
from service.store.client.connection import connect
from service.store.rules import Versions
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.conftest import valkey
from tests.web.conftest import APP_SECRET, KEY, OPS_TOKEN, ORG

RULES = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}\n"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A durable Valkey of these tests' own: other tests empty theirs, and count its keys."""
    with valkey(tmp_path_factory.mktemp("fuzz"), durable=True) as url:
        yield url


@pytest.fixture(scope="session")
def port(redis_url: str) -> Iterator[int]:
    """Where the server listens; its store has one shop with two versions of rules and two customers."""
    asyncio.run(_furnish(redis_url))
    environ = {
        "REDIS_URL": redis_url,
        "HARAVAN_WEBHOOK_SECRETS": APP_SECRET,
        "HARAVAN_VERIFY_TOKEN": "a-verify-token",
        "SECRET_KEY": KEY,
        "OPS_TOKENS": f"an={OPS_TOKEN}",
    }
    settings = replace(read_settings(environ), host="127.0.0.1", port=0)
    config = process.uvicorn_config(settings)
    config.app = create_app(settings, timeout_factor=20)  # a busy machine must not look like a slow store
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


async def _furnish(redis_url: str) -> None:
    redis = connect(redis_url)
    await ShopRepository(redis, Cipher([KEY])).add(
        Shop(org=ORG, name="Một", dialect="omni", api_url="https://apis.haravan.com/com", token="t" * 20)
    )
    versions = Versions(redis)
    for parent, least in enumerate((20_000_000, 10_000_000)):
        await versions.publish(ORG, parse_rules(RULES % least), author="Lan", parent=parent)
    for number in (1, 2):
        customer = encode_snapshot(
            Customer(id=number, total_spent=15_000_000_0000 * number, tags=("Khách sỉ",))
        )
        await redis.hset(keys.shop(ORG, "snapshots"), mapping={str(number): customer})
    await redis.aclose()
