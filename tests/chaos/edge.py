"""One web process alone in front of a store, to see what of its acknowledgements outlives the store."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from service.domain.customers.customer import OrgId
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos import canaries
from tests.chaos.children import Child
from tests.chaos.posting import ORG
from tests.chaos.stage import answers
from tests.chaos.verdict import recorded
from tests.support.ports import free_port


@asynccontextmanager
async def edge(
    folder: Path, redis: Redis, redis_url: str, *, durability: str = "fsync"
) -> AsyncIterator[str]:
    """Start the web process with one shop; yields the address for webhooks."""
    await ShopRepository(redis, Cipher((canaries.KEY,))).add(
        Shop(OrgId(ORG), "Cửa hàng thử", "omni", "http://127.0.0.1:9/com", canaries.TOKEN)
    )
    port = free_port()
    environ = {
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "DURABILITY": durability,
        "HARAVAN_WEBHOOK_SECRETS": canaries.SECRET,
        "SECRET_KEY": canaries.KEY,
    }
    web = Child("web", [sys.executable, "-m", "service"], environ, folder / "logs" / "web.log")
    try:
        await web.start()
        if not await answers(port, within_s=120):
            raise TimeoutError("the web process did not start")
        yield f"http://127.0.0.1:{port}/webhooks/haravan"
    finally:
        await web.stop(within_s=15)


async def kept(redis: Redis) -> set[str]:
    """The signatures of all deliveries in the record."""
    return {signature for _, signature in await recorded(redis, OrgId(ORG))}
