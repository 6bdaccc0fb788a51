"""A token that is replaced while a call with the old one is on its way does not leave the shop paused."""

from __future__ import annotations

import pytest
from arq.connections import ArqRedis

from service.alerts import Alerts, sender
from service.domain.customers import OrgId
from service.errors import Unauthorised
from service.store.bucket import Bucket
from service.store.cipher import Cipher
from service.store.shop import Shop
from service.store.shops import UNAUTHORISED, Shops
from service.store.turns import Turns
from workers.pausing import pause_for_token

ORG = OrgId("1000000001")


@pytest.mark.parametrize(
    ("stored", "paused"),
    [
        pytest.param("token-1", UNAUTHORISED, id="the refused one is still stored"),
        pytest.param("token-2", "", id="another came meanwhile"),
    ],
)
async def test_only_the_token_that_is_stored_can_pause_a_shop(
    redis: ArqRedis, stored: str, paused: str
) -> None:
    shops = Shops(redis, Cipher(("k" * 32,)))
    await shops.add(Shop(ORG, "Cửa hàng thử", "omni", "http://127.0.0.1:9/com", "token-1"))
    turn = await Turns(redis, bucket=Bucket(redis)).acquire(ORG, token="turn")  # a lock's, not an API's
    assert turn is not None
    await shops.set_token(ORG, stored)

    alerts = Alerts(redis, send=sender(()))
    await pause_for_token(shops, alerts, turn, Unauthorised("refused"), token="token-1")
    await alerts.settled()

    assert (await shops.require(ORG)).paused == paused
