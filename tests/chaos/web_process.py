"""One web process in front of a store: which of its acknowledgements outlive the store?"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient
from service.store.encryption.keyring import KeyRing
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos.poster import ORG
from tests.chaos.processes import ChildProcess
from tests.chaos.verdict import count_recorded
from tests.support import canaries
from tests.support.ports import free_port
from tests.support.wait import wait_for_port


@asynccontextmanager
async def web_process(
    folder: Path, redis: RedisClient, redis_url: str, *, durability: str = "fsync"
) -> AsyncIterator[str]:
    """Start the web process with one shop; yield the address for webhooks."""
    await ShopRepository(redis, KeyRing((canaries.SECRET_KEY,))).add(
        Shop(OrgId(ORG), "Cửa hàng thử", "omni", "http://127.0.0.1:9/com", canaries.ACCESS_TOKEN)
    )
    port = free_port()
    environ = {
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "DURABILITY": durability,
        "HARAVAN_WEBHOOK_SECRETS": canaries.WEBHOOK_SECRET,
        "SECRET_KEY": canaries.SECRET_KEY,
    }
    web = ChildProcess("web", [sys.executable, "-m", "service"], environ, folder / "logs" / "web.log")
    try:
        await web.start()
        await wait_for_port(port, timeout_s=120)
        yield f"http://127.0.0.1:{port}/webhooks/haravan"
    finally:
        await web.stop(timeout_s=15)


async def recorded_signatures(redis: RedisClient) -> set[str]:
    """The signatures of all recorded deliveries."""
    return set(await count_recorded(redis, OrgId(ORG)))
