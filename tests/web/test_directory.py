"""Which secrets are known when."""

from __future__ import annotations

import asyncio

import pytest
from arq.connections import ArqRedis

from service.errors import StoreAway
from service.store.cipher import Cipher
from service.store.connection import connect
from service.store.shops import Shops
from service.web.directory import AGAIN_S, FRESH_S, Directory
from tests.web.conftest import KEY, ORG, OTHER_ORG, OWN_SECRET


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_shop_is_known_with_the_apps_secrets_and_its_own(shops: Shops) -> None:
    directory = Directory(shops, app_secrets=("app",))

    await directory.look_again()

    known, other = directory.find(ORG), directory.find(OTHER_ORG)
    assert known is not None
    assert other is not None
    assert known.secrets == (b"app", OWN_SECRET.encode())
    assert other.secrets == (b"app",)
    assert directory.find("999") is None
    assert directory.org_of("hai.myharavan.com") == OTHER_ORG


async def test_looking_again_is_bounded(shops: Shops) -> None:
    clock = Clock()
    directory = Directory(shops, app_secrets=(), clock=clock)
    await directory.look_again()
    await shops.set_secret(OTHER_ORG, "new")

    at_once = await directory.look_again()
    clock.now += AGAIN_S
    later = await directory.look_again()

    assert (at_once, later) == (False, True)
    known = directory.find(OTHER_ORG)
    assert known is not None
    assert known.secrets == (b"new",)


async def test_a_withdrawn_secret_is_forgotten_in_the_background(shops: Shops) -> None:
    clock = Clock()
    directory = Directory(shops, app_secrets=(), clock=clock)
    await directory.look_again()
    await shops.set_secret(ORG, "")
    clock.now += FRESH_S + 1

    stale = directory.find(ORG)
    assert directory._reading is not None
    await asyncio.wait([directory._reading])
    fresh = directory.find(ORG)

    assert stale is not None
    assert stale.secrets == (OWN_SECRET.encode(),)
    assert fresh is not None
    assert fresh.secrets == ()


async def test_a_shop_whose_secret_cannot_be_opened_keeps_the_apps(redis: ArqRedis, shops: Shops) -> None:
    directory = Directory(Shops(redis, Cipher(["x" * 32])), app_secrets=("app",))

    await directory.look_again()

    known = directory.find(ORG)
    assert known is not None
    assert known.secrets == (b"app",)


async def test_a_store_that_is_away_is_told(shops: Shops) -> None:
    away = connect("unix:///nowhere/at/all", retries=0)
    directory = Directory(Shops(away, Cipher([KEY])), app_secrets=())

    with pytest.raises(StoreAway):
        await directory.look_again()

    await away.aclose()
