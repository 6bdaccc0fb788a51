"""The shops of the tests and the settings of their web process."""

from __future__ import annotations

from typing import Final

from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.store.encryption import KeyRing
from service.store.shops import Shop, ShopRepository, save_first_look

ORG: Final = OrgId("1000000001")
OTHER_ORG: Final = OrgId("1000000002")
APP_SECRET: Final = "an-app-secret"
OWN_SECRET: Final = "the-shops-own-secret"
VERIFY_TOKEN: Final = "a-verify-token"
OPS_TOKEN: Final = "ops-token-0123456789"
KEY: Final = "0123456789abcdef" * 2


def web_environ(redis_url: str, queue_url: str = "") -> dict[str, str]:
    """The environment of a web process. `queue_url` is needed with a cluster."""
    return {
        "REDIS_URL": redis_url,
        "QUEUE_URL": queue_url or redis_url,
        "HARAVAN_WEBHOOK_SECRETS": f"an-older-secret,{APP_SECRET}",
        "HARAVAN_VERIFY_TOKEN": VERIFY_TOKEN,
        "SECRET_KEY": KEY,
        "OPS_TOKENS": f"an={OPS_TOKEN}",
        "DURABILITY": "everysec",
    }


async def add_shops(redis: RedisClient) -> ShopRepository:
    """Store two shops whose first look is complete. The first has its own webhook secret."""
    shops = ShopRepository(redis, KeyRing([KEY]))
    omni, admin = "https://apis.haravan.com/com", "https://hai.myharavan.com/admin"
    await shops.add(
        Shop(org=ORG, name="Một", dialect="omni", api_url=omni, token="t" * 20, secret=OWN_SECRET)
    )
    await shops.add(Shop(org=OTHER_ORG, name="Hai", dialect="admin", api_url=admin, token="t" * 20))
    for org in (ORG, OTHER_ORG):
        await save_first_look(redis, org, "complete")
    return shops
