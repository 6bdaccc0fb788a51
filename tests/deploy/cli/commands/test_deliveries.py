"""`tagger deliveries` and `tagger dead-letters` of a shop that has none."""

from __future__ import annotations

import json

from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)
from tests.support.store import all_keys


async def test_without_deliveries_or_dead_letters_the_lists_say_so(shop: CliEnvironment) -> None:
    deliveries = await shop.tagger("deliveries", ORG)
    letters = await shop.tagger("dead-letters", "list", ORG)

    assert (deliveries.code, deliveries.out.strip()) == (0, "No deliveries in this time.")
    assert (letters.code, letters.out.strip()) == (0, "No open dead letters.")


async def test_a_retry_of_a_customer_without_a_dead_letter_says_so(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    nothing = await shop.tagger("dead-letters", "retry", ORG)
    letter = {"rejected": {"text": "422", "first": 1, "last": 2, "count": 3}}
    await redis.hset(keys.shop(ORG, "dead_letters"), "7", json.dumps(letter))
    mixed = await shop.tagger("dead-letters", "retry", ORG, "5", "7")

    assert (nothing.code, nothing.out.strip()) == (0, "No open dead letters.")
    assert (mixed.code, mixed.out.strip()) == (1, "1 customer queued.")
    assert mixed.err.strip() == "Customer 5 has no open dead letter."
    assert await all_keys(redis, keys.shop(ORG, "mark:*")) == [keys.shop(ORG, "mark:7").encode()]
