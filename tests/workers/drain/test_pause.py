"""A token that is replaced while a call with the old one is on its way does not leave the shop paused."""

from __future__ import annotations

import pytest
from arq.connections import ArqRedis

from service.alerts import Alerts, apprise_sender
from service.domain.customers.customer import OrgId
from service.errors import TokenRejected
from service.store.shops.cipher import Cipher
from service.store.shops.model import Shop
from service.store.shops.repository import TOKEN_REJECTED, ShopRepository
from workers.drain.pause import pause_for_rejected_token

ORG = OrgId("1000000001")


@pytest.mark.parametrize(
    ("stored", "paused"),
    [
        pytest.param("token-1", TOKEN_REJECTED, id="the refused one is still stored"),
        pytest.param("token-2", "", id="another came meanwhile"),
    ],
)
async def test_only_the_token_that_is_stored_can_pause_a_shop(
    redis: ArqRedis, stored: str, paused: str
) -> None:
    shops = ShopRepository(redis, Cipher(("k" * 32,)))
    await shops.add(Shop(ORG, "Cửa hàng thử", "omni", "http://127.0.0.1:9/com", "token-1"))
    await shops.set_token(ORG, stored)

    alerts = Alerts(redis, send=apprise_sender(()))
    await pause_for_rejected_token(
        redis, shops, alerts, ORG, TokenRejected("refused"), token="token-1", now_ms=1
    )
    await alerts.drain()

    assert (await shops.get_or_raise(ORG)).paused == paused
