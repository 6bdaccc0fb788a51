"""`tagger rules adopt|retract|exclude`."""

from __future__ import annotations

import json
from pathlib import Path

from service.domain.customers.customer import Customer
from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import (
    ABOVE,
    ORG,
    TAGGED_BY_HAND,
    CliEnvironment,
    store_customers,
)


async def test_adopting_counts_before_it_queues(
    shop: CliEnvironment, redis: RedisClient, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await store_customers(redis, ABOVE, TAGGED_BY_HAND)

    counted = await shop.tagger("rules", "adopt", ORG, "VIP", "--dry-run")
    refused = await shop.tagger("rules", "retract", ORG, "VIP", "--yes")
    done = await shop.tagger("rules", "adopt", ORG, "VIP", "--yes")

    assert "Copies of the tag VIP that would become ours: 1\nCustomers: 3" in counted.err
    assert (refused.code, "would give 'VIP' again" in refused.err) == (1, True)
    assert done.code == 0, done.err
    assert await redis.exists(keys.shop(ORG, "mark:3"))
    explained = json.loads((await shop.tagger("explain", ORG, "3", "--tag", "VIP", "--json")).out)
    assert (explained["tags"][0]["owner"], explained["tags"][0]["rule"]) == ("adopted", "vip")


async def test_a_customer_is_excluded_and_included_again(
    shop: CliEnvironment, redis: RedisClient, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await store_customers(redis, Customer(id=1, total_spent=20_000_000_0000))

    tried = await shop.tagger("rules", "exclude", ORG, "1", "vip", "--dry-run")
    result = await shop.tagger("rules", "exclude", ORG, "3", "vip")
    unknown = await shop.tagger("rules", "exclude", ORG, "3", "nope")
    undone = await shop.tagger("rules", "exclude", ORG, "3", "vip", "--undo")

    assert "Customer 1 would be excluded from the rule vip. No tag changes." in tried.out
    assert "Customer 3 is excluded from the rule vip. This customer was not evaluated yet." in result.out
    assert (unknown.code, undone.code) == (1, 0)
    assert not await redis.exists(keys.shop(ORG, "exclusions"))
