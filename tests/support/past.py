"""The demo's three weeks, for tests that look at pages with something on them."""

from __future__ import annotations

from random import Random

from deploy.demonstration.history import History, begin
from deploy.sandbox import Clock, Sandbox
from service.context import Context
from service.domain.customers import OrgId
from service.store.client import RedisClient
from service.store.rules import Versions
from service.store.shops import ShopRepository
from tests.support.shop import ORG

CUSTOMERS = 60


async def store_past(redis: RedisClient, shops: ShopRepository, org: OrgId = ORG) -> History:
    """Let three weeks pass in a shop that has no history yet."""
    clock = Clock()
    sandbox = Sandbox(clock=clock)
    begin(clock)
    shop = sandbox.add_shop(org=org, name="Một")
    shop.populate(CUSTOMERS, seed=2)
    history = History(shop, clock, Context(redis, shops, Versions(redis)), org, Random(1))
    await history.play()
    return history
