"""The shop cache has the right secrets after every change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local.wait import until
from service.domain.customers.customer import OrgId
from service.errors import StoreUnavailable
from service.store.client import RedisClient
from service.store.client.connection import connect
from service.store.encryption.cipher import ShopCipher
from service.store.encryption.keyring import KeyRing
from service.store.shops.repository import ShopRepository
from service.web.webhooks.shop_cache import MIN_REFRESH_INTERVAL_S, ShopCache
from tests.support.shop import KEY, ORG, OTHER_ORG, OWN_SECRET
from tests.support.store import count_calls, reset_statistics


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def started(shops: ShopRepository, **options: Any) -> AsyncIterator[ShopCache]:
    """A cache that has loaded the shops; a busy machine must not look like a slow store."""
    cache = ShopCache(shops, **{"app_secrets": ("app",), "timeout_s": 60, **options})
    cache.start()
    await cache.refresh()
    yield cache
    await cache.stop()


def secrets(cache: ShopCache, org: OrgId) -> tuple[bytes, ...] | None:
    shop = cache.get(org)
    return None if shop is None else shop.secrets


async def test_a_shop_has_the_apps_secrets_and_its_own(shops: ShopRepository) -> None:
    async with started(shops) as cache:
        assert secrets(cache, ORG) == (b"app", OWN_SECRET.encode())
        assert secrets(cache, OTHER_ORG) == (b"app",)
        assert cache.get("999") is None
        assert cache.org_for_domain("hai.myharavan.com") == OTHER_ORG
        assert cache.org_for_domain("") == ""


async def test_it_is_empty_until_the_store_is_known_to_be_durable(shops: ShopRepository) -> None:
    cache = ShopCache(shops, app_secrets=("app",))

    with pytest.raises(StoreUnavailable):
        await cache.refresh()

    assert cache.get(ORG) is None


async def test_a_change_is_seen_at_the_next_refresh_and_refreshes_are_bounded(shops: ShopRepository) -> None:
    clock = Clock()
    async with started(shops, clock=clock) as cache:
        await shops.set_secret(OTHER_ORG, "new")

        await cache.refresh()
        at_once = secrets(cache, OTHER_ORG)
        clock.now += MIN_REFRESH_INTERVAL_S
        await cache.refresh()

        assert (at_once, secrets(cache, OTHER_ORG)) == ((b"app",), (b"app", b"new"))


async def test_a_revoked_secret_is_dropped_without_a_request(
    shops: ShopRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.web.webhooks.shop_cache.POLL_INTERVAL_S", 0.01)
    monkeypatch.setattr("service.web.webhooks.shop_cache.MIN_REFRESH_INTERVAL_S", 0)
    async with started(shops) as cache:
        await shops.set_secret(ORG, "")

        async def forgotten() -> bool:
            return secrets(cache, ORG) == (b"app",)

        assert await until(forgotten, within_s=60)


@pytest.mark.parametrize("change", ["add", "remove", "secret", "erase"])
async def test_every_change_raises_the_revision(shops: ShopRepository, change: str) -> None:
    before = await shops.revisions()

    if change == "add":
        shop = await shops.get_or_raise(ORG)
        await shops.remove(ORG, erase=False)
        before = await shops.revisions()
        await shops.add(shop)
    elif change == "secret":
        await shops.set_secret(ORG, "another-secret")
    else:
        await shops.remove(ORG, erase=change == "erase")

    assert sum((await shops.revisions()).values()) > sum(before.values())


async def test_nothing_is_loaded_again_while_nothing_changes(
    redis: RedisClient, shops: ShopRepository
) -> None:
    clock = Clock()
    async with started(shops, clock=clock) as cache:
        await reset_statistics(redis)
        for _ in range(5):
            clock.now += MIN_REFRESH_INTERVAL_S
            await cache.refresh()
        calls = await count_calls(redis)
        await shops.set_secret(OTHER_ORG, "new")
        clock.now += MIN_REFRESH_INTERVAL_S
        await cache.refresh()
        later = await count_calls(redis)

    assert not calls["hmget"]
    assert later["hmget"]


async def test_no_api_token_is_decrypted(shops: ShopRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[bytes] = []
    open_value = ShopCipher.open

    def noted(cipher: ShopCipher, sealed: bytes, *, field: str) -> bytes:
        opened.append(open_value(cipher, sealed, field=field))
        return opened[-1]

    monkeypatch.setattr(ShopCipher, "open", noted)
    async with started(shops):
        pass

    assert opened == [OWN_SECRET.encode()]


async def test_a_shop_whose_secret_cannot_be_decrypted_keeps_the_apps(
    redis: RedisClient, shops: ShopRepository
) -> None:
    async with started(ShopRepository(redis, KeyRing(["x" * 32]))) as cache:
        assert secrets(cache, ORG) == (b"app",)


async def test_a_store_that_is_down_is_an_error(shops: ShopRepository) -> None:
    away = connect("unix:///nowhere/at/all", patience_s=0)
    cache = ShopCache(ShopRepository(away, KeyRing([KEY])), app_secrets=())
    cache.start()

    with pytest.raises(StoreUnavailable):
        await cache.refresh()

    await cache.stop()
    await away.aclose()
