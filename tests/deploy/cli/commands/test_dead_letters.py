"""`tagger dead-letters`."""

from __future__ import annotations

import json

from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store.client import keys
from tests.deploy.cli.environment import ORG, CliEnvironment


async def store_dead_letter(redis: ArqRedis, customer: str) -> None:
    letter = {"rejected": {"text": "422", "first": 1, "last": 2, "count": 3, "transient": False}}
    await redis.hset(keys.shop(OrgId(ORG), "dead_letters"), customer, json.dumps(letter))


async def test_a_retry_of_somebody_without_a_dead_letter_says_so(
    shop: CliEnvironment, redis: ArqRedis
) -> None:
    await store_dead_letter(redis, "7")

    result = await shop.tagger("dead-letters", "retry", ORG, "7", "5")

    assert result.code == 1
    assert result.out.strip() == "1 customer queued."
    assert result.err.strip() == "Customer 5 has no open dead letter."
    assert await redis.exists(keys.shop(OrgId(ORG), "mark:7"))
    assert not await redis.exists(keys.shop(OrgId(ORG), "mark:5"))


async def test_dead_letters_are_dropped_once(shop: CliEnvironment, redis: ArqRedis) -> None:
    await store_dead_letter(redis, "7")

    first = await shop.tagger("dead-letters", "drop", ORG, "7")
    second = await shop.tagger("dead-letters", "drop", ORG, "7")

    assert (first.code, second.code) == (0, 1)
    assert "customer 7 has no open dead letter" in second.err
