"""A rotation of SECRET_KEY leaves nothing to the old key, and which key wraps what is known."""

from __future__ import annotations

from dataclasses import replace

from service.context import Context
from service.domain.customers.customer import OrgId
from service.operations.shops import rotate_keys
from service.store.client import RedisClient
from service.store.encryption.key_status import KeyUse, key_status
from service.store.encryption.keyring import KeyRing
from service.store.history import audit_log
from service.store.rules import Versions
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.support.actors import LAN

OLD, NEW = "old-key-" * 5, "new-key-" * 5
SHOP = Shop(OrgId("1"), "Một", "omni", "https://apis.haravan.com/com", "token-one")


def context(redis: RedisClient, *keys: str) -> Context:
    return Context(redis, ShopRepository(redis, KeyRing(keys)), Versions(redis))


async def test_a_rotation_rewraps_every_shop_also_one_that_was_removed_with_its_data_kept(
    redis: RedisClient,
) -> None:
    old, both = context(redis, OLD), context(redis, NEW, OLD)
    for org in ("1", "2"):
        await old.shops.add(replace(SHOP, org=OrgId(org)))
    await old.shops.remove(OrgId("2"), erase=False)

    before, after = await key_status(redis, both.shops.keyring), await rotate_keys(both, by=LAN)

    new, former = both.shops.keyring.fingerprints
    assert before.keys == (KeyUse(new, 1, 0, ()), KeyUse(former, 2, 2, (OrgId("1"), OrgId("2"))))
    assert after.keys == (KeyUse(new, 1, 2, (OrgId("1"), OrgId("2"))), KeyUse(former, 2, 0, ()))
    assert (before.left, after.left) == (2, 0)
    assert (await context(redis, NEW).shops.get_or_raise(OrgId("1"))).token == "token-one"
    assert [row.entry.action for row in await audit_log.list_entries(redis)] == ["rotate_keys"]


async def test_a_shop_without_any_of_the_keys_is_named(redis: RedisClient) -> None:
    await context(redis, OLD).shops.add(SHOP)

    status = await rotate_keys(context(redis, NEW), by=LAN)

    assert (status.left, status.unreadable) == (1, (OrgId("1"),))
