"""SECRET_KEY is rotated twice by the runbook, while webhooks arrive and drains run: nothing is lost or unreadable."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from deploy.sandbox import Clock, Sandbox, ShopHandle, serve
from service.context import Context
from service.domain.access import shell_user
from service.domain.documents import parse_rules
from service.operations import rotate_keys
from service.settings import Settings, read_settings
from service.store.client import RedisClient, keys
from service.store.customers import read_snapshot
from service.store.encryption import KeyRing, key_status
from service.store.queue import count_due
from service.store.rules import Versions
from service.store.shops import Shop, ShopRepository
from tests.support.shop import ORG, OWN_SECRET, VERIFY_TOKEN, web_environ
from tests.support.wait import wait_until
from tests.support.web_server import serving
from tests.system.environment import LEAK_PER_S, RULES, SOON_MS, all_expected_tags, working

pytestmark = pytest.mark.timeout(600)

FIRST, SECOND, THIRD = (f"{name}-key-0123456789abcdef-0123456789" for name in ("first", "second", "third"))
# As the runbook says: the new key before the old one, a rotation, then the new key alone; and all of it once more.
STEPS = (
    (FIRST, False),
    (f"{SECOND},{FIRST}", True),
    (SECOND, False),
    (f"{THIRD},{SECOND}", True),
    (THIRD, False),
)
CUSTOMERS_OF_A_STEP = 12


def context(redis: RedisClient, settings: Settings) -> Context:
    return Context(redis, ShopRepository(redis, KeyRing(settings.secret_keys)), Versions(redis))


async def test_two_rotations_by_the_runbook(redis: RedisClient, redis_url: str, queue_url: str) -> None:
    # every webhook is verified with the sealed secret of the shop
    sandbox, clock = Sandbox(leak_per_s=LEAK_PER_S), Clock()
    haravan = sandbox.add_shop(org=ORG, token="system-token", secret=OWN_SECRET)
    haravan.deliveries.timeout_s = 60
    async with serve(sandbox) as api, AsyncExitStack() as former:
        await context(
            redis, read_settings(web_environ(redis_url, queue_url) | {"SECRET_KEY": FIRST})
        ).shops.add(Shop(ORG, "Cửa hàng thử", "omni", f"{api}/com", haravan.token, secret=OWN_SECRET))
        await Versions(redis).publish(ORG, parse_rules(RULES), author="test", parent=0)
        for secret_key, rotate in STEPS:
            settings = read_settings(web_environ(redis_url, queue_url) | {"SECRET_KEY": secret_key})
            async with AsyncExitStack() as starting:
                await starting.enter_async_context(working(settings, 1, clock))
                server = await starting.enter_async_context(serving(settings))
                await haravan.subscribe(f"http://127.0.0.1:{server.port}/webhooks/haravan", VERIFY_TOKEN)
                load = asyncio.create_task(buy(haravan))
                await former.aclose()  # the processes with the former keys stop, as behind a proxy
                if rotate:
                    assert (await rotate_keys(context(redis, settings), by=shell_user("an"))).left == 0
                await load
                former.push_async_callback(starting.pop_all().aclose)

        async def is_settled() -> bool:
            await haravan.deliveries.wait_idle()
            return not await count_due(redis, ORG, until_ms=int(clock() * 1000) + SOON_MS)

        await wait_until(is_settled, timeout_s=300)

    now = context(redis, read_settings(web_environ(redis_url, queue_url) | {"SECRET_KEY": THIRD}))
    assert not haravan.deliveries.pending
    assert {customer: haravan.tags(customer) for customer in haravan.ids()} == all_expected_tags(haravan)
    shop = await now.shops.get_or_raise(ORG)
    assert (shop.token, shop.secret) == ("system-token", OWN_SECRET)
    stored = await redis.hgetall(keys.shop(ORG, "snapshots"))
    names = {read_snapshot(snapshot).open(shop.cipher).first_name for snapshot in stored.values()}
    assert names == {f"Khách {customer}" for customer in haravan.ids()}
    assert len(names) == len(STEPS) * CUSTOMERS_OF_A_STEP
    assert [use.position for use in (await key_status(redis, now.shops.keyring)).keys] == [1]


async def buy(haravan: ShopHandle) -> None:
    """New customers with orders, one after the other, so that webhooks and drains overlap with the restart."""
    for number in range(CUSTOMERS_OF_A_STEP):
        haravan.create(total_spent=9_000_000 + number * 1_000_000)
        await asyncio.sleep(0)
        await haravan.deliveries.wait_idle()
