"""Shops over the ops API: listed, paused and resumed."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient
from service.store.shops.repository import ShopRepository
from tests.support.sender import Sender
from tests.support.shop import ORG, OTHER_ORG
from tests.web.ops.conftest import (
    API,
    store_dead_letter,
)


async def test_shops_are_listed_with_their_backlog(redis: RedisClient, ops: httpx2.AsyncClient) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await store_dead_letter(redis, 9)

    first, second = (await ops.get("/ops/v1/shops")).json()["shops"]

    assert (first["org"], first["due"]["live"], first["dead_letters"]) == (ORG, 1, 1)
    assert (second["org"], second["dialect"], second["due"]["live"]) == (OTHER_ORG, "admin", 0)
    assert not {"token", "secret"} & first.keys()


async def test_a_shop_is_paused_and_resumed(ops: httpx2.AsyncClient, shops: ShopRepository) -> None:
    paused = await ops.post(f"{API}/pause", json={"reason": "kiểm tra"})
    assert (paused.json()["paused"], paused.json()["paused_by"]) == ("kiểm tra", "an")

    resumed = await ops.post(f"{API}/resume")

    assert resumed.json()["paused"] == ""
    assert (await shops.get_or_raise(ORG)).paused == ""
