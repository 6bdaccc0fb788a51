"""`tagger dead-letters`."""

from __future__ import annotations

import json

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import ORG, CliEnvironment


async def store_dead_letter(redis: RedisClient, customer: str) -> None:
    letter = {"rejected": {"text": "422", "first": 1, "last": 2, "count": 3, "transient": False}}
    await redis.hset(keys.shop(OrgId(ORG), "dead_letters"), customer, json.dumps(letter))


async def test_a_retry_of_somebody_without_a_dead_letter_says_so(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    await store_dead_letter(redis, "7")

    result = await shop.tagger("dead-letters", "retry", ORG, "7", "5")

    assert result.code == 1
    assert result.out.strip() == "1 customer queued."
    assert result.err.strip() == "Customer 5 has no open dead letter."
    assert await redis.exists(keys.shop(OrgId(ORG), "mark:7"))
    assert not await redis.exists(keys.shop(OrgId(ORG), "mark:5"))


async def test_dead_letters_are_dropped_once_and_with_a_reason(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    await store_dead_letter(redis, "7")

    without = await shop.tagger("dead-letters", "drop", ORG, "7")
    all_of_them = await shop.tagger("dead-letters", "drop", ORG, "--reason", "thử")
    first = await shop.tagger("dead-letters", "drop", ORG, "7", "--reason", "thử")
    second = await shop.tagger("dead-letters", "drop", ORG, "7", "--reason", "thử")

    assert (without.code, all_of_them.code, first.code, second.code) == (2, 2, 0, 1)
    assert "there is no such open dead letter" in second.err


async def test_dead_letters_are_grouped_with_what_helps_and_retried_by_cause(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    for customer in ("7", "8"):
        await store_dead_letter(redis, customer)

    grouped = await shop.tagger("dead-letters", "groups", ORG, "--json")
    other = await shop.tagger("dead-letters", "retry", ORG, "--cause", "denied")
    retried = await shop.tagger("dead-letters", "retry", ORG, "--cause", "rejected")

    [group] = json.loads(grouped.out)
    assert grouped.code == 1
    assert (group["customers"], group["cause"]) == (2, "rejected")
    assert "Correct the rule or the tag" in group["fix"]
    assert other.out.strip() == "No open dead letters of this cause."
    assert retried.out.strip() == "2 customers queued."
