"""`python -m tests.bench.moving`: how long webhooks wait while a shop with 10,000 customers moves to a cluster and back."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import uvloop

from service.domain.access import Actor, Role
from service.domain.customers.customer import OrgId
from service.store.client import Store
from service.store.client.connection import connect
from service.store.encryption import KeyRing
from service.store.move import follow, move
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.bench.report import report
from tests.bench.servers import web
from tests.chaos.moved import store_customers
from tests.chaos.poster import Poster
from tests.chaos.verdict import count_recorded
from tests.support import canaries
from tests.support.cluster import cluster
from tests.support.shop import KEY
from tests.support.valkey import valkey
from tests.support.wait import wait_until

ORG: Final = OrgId("1000000100")
PAUSE_S: Final = 5.0
BY: Final = Actor("bench", Role.OPS, "shell")
KEYRING: Final = KeyRing((KEY,))
DURABLE: Final[dict[str, Any]] = {"fsync": "always", "aof_load_truncated": "no"}
AROUND_S: Final = 3.0


async def measure(redis: Store, port: int, urls: list[str], customers: int) -> bool:
    """Move the data to each of the stores in turn, while webhooks arrive at the web process. Whether all bars are met."""
    shops = ShopRepository(redis, KEYRING)
    await shops.add(Shop(ORG, "Cửa hàng thử", "omni", "http://127.0.0.1:1/com", "of-no-shop-000000"))
    await shops.pause(ORG, reason="manual", by="bench")
    await store_customers(redis, ORG, customers)
    poster = Poster(f"http://127.0.0.1:{port}/webhooks/haravan", org=ORG, per_s=100)
    posting = asyncio.create_task(poster.run())

    async def is_known() -> bool:
        return bool(await count_recorded(redis, ORG))

    await wait_until(is_known, interval_s=0.1)
    poster.posted.acknowledged.clear()  # until then the webhooks of an unknown shop were answered 200, and counted only
    passes = True
    for url in urls:
        await asyncio.sleep(AROUND_S)
        since_s = time.monotonic()
        result = await move(redis, url, keyring=KEYRING, by=BY)
        await asyncio.sleep(AROUND_S)
        pause_s = poster.posted.longest_gap_s(since_s, time.monotonic())
        assert await follow(redis, KEYRING)
        kind = "to a cluster" if redis.router.is_cluster else "to one server"
        megabytes = result.bytes / 1e6
        print(f"{kind}: {result.keys:,} keys, {megabytes:.1f} MB, {result.took_ms / 1000:.1f} s in all")
        passes &= report(f"{kind}: fence", result.pause_ms / 1000, "s", at_most=PAUSE_S)
        passes &= report(f"{kind}: longest time without a 200", pause_s, "s", at_most=PAUSE_S)
    poster.stop()
    await posting
    lost = poster.posted.acknowledged.keys() - (await count_recorded(redis, ORG)).keys()
    print(
        f"{len(poster.posted.acknowledged):,} webhooks were acknowledged, {poster.posted.refused[503]:,} refused"
    )
    return passes & report("acknowledged and lost", len(lost), "", at_most=0)


async def run(source_url: str, queue_url: str, port: int, urls: list[str], customers: int) -> bool:
    async with connect(source_url, queue_url=queue_url, timeout_s=60) as redis:
        return await measure(redis, port, urls, customers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folders = {each: Path(name) / each for each in ("source", "queue", "cluster", "back")}
        for folder in folders.values():
            folder.mkdir()
        with (
            valkey(folders["source"], **DURABLE) as source_url,
            valkey(folders["back"], **DURABLE) as back_url,
            valkey(folders["queue"]) as queue_url,
            cluster(folders["cluster"], replicas=0, **DURABLE) as cluster_url,
            web(
                source_url,
                variant="ours",
                environ={"QUEUE_URL": queue_url, "HARAVAN_WEBHOOK_SECRETS": canaries.WEBHOOK_SECRET},
            ) as (port, _),
        ):
            urls = [cluster_url, back_url]
            return 0 if uvloop.run(run(source_url, queue_url, port, urls, options.customers)) else 1


if __name__ == "__main__":
    sys.exit(main())
