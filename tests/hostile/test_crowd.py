"""A small crowd in this process: hostile customers and a hostile shop keep no one else from its tag."""

from __future__ import annotations

import pytest

from deploy.sandbox import Clock, Sandbox, serve
from service.settings import read_settings
from service.store.client import RedisClient, keys
from tests.hostile.crowd import Crowd, connect_shops, play
from tests.hostile.crowd_members import KILLS_ITS_READER, WAYS
from tests.hostile.odd_api import odd_api
from tests.support.shop import web_environ
from tests.support.web_server import serving
from tests.system.environment import LEAK_PER_S, working

HERE: list[str] = [way for way in WAYS if way != KILLS_ITS_READER]  # it would kill this process


def test_a_crowd_has_twenty_ways_to_be_hostile() -> None:
    assert len(set(WAYS)) == 20


@pytest.mark.timeout(600)
async def test_everybody_else_gets_the_tag_and_keeps_the_others(
    redis: RedisClient, redis_url: str, queue_url: str
) -> None:
    sandbox = Sandbox(leak_per_s=LEAK_PER_S)
    crowd = Crowd.populate(sandbox, shops=3, customers=40, others=5, ways=HERE)
    settings = read_settings(web_environ(redis_url, queue_url) | {"SHOP_MAX_WAITING": "100"})
    async with serve(sandbox) as address, odd_api(address) as api:
        await connect_shops(redis, crowd, api)
        async with serving(settings) as server, working(settings, 1, Clock()):
            url = f"http://127.0.0.1:{server.port}/webhooks/haravan"
            times = await play(crowd, api, url, hostile=True, flood_per_s=20, timeout_s=500)

    assert list(times) == [shop.org for shop, _ in crowd.harmless]
    assert crowd.wrong() == []
    assert await redis.hget(keys.shop(crowd.shops[0].org, "state"), "single_reads_until") in (None, b"")
