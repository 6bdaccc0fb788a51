"""The watch notices a generation that goes back, and only if a replica had it."""

from __future__ import annotations

import pytest

from service.store.client import RedisClient, keys
from service.store.servers.address import parse_address
from service.store.servers.connection import Connection, ConnectionOptions
from tests.chaos.generations import GenerationWatch

ORG = "1000000001"


@pytest.mark.parametrize(
    ("replicas", "noticed"),
    [pytest.param(0, 1, id="no replica has to confirm"), pytest.param(1, 0, id="no replica confirms")],
)
@pytest.mark.one_server  # it has no replica that could confirm
async def test_a_confirmed_generation_that_goes_back_is_noticed(
    redis: RedisClient, redis_url: str, replicas: int, noticed: int
) -> None:
    async def connect(_: str) -> Connection:
        address = parse_address(redis_url)
        return await Connection.open(address.endpoints[0], ConnectionOptions(db=address.db))

    watch = GenerationWatch(connect, replicas=replicas)

    for generation in (7, 8, 3):
        await redis.set(keys.shop(ORG, "generation_seq"), generation)
        await watch.look(ORG)

    assert len(watch.went_back) == noticed
