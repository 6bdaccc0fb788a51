"""`tagger customers list|search|count|get`."""

from __future__ import annotations

import json

from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)


async def test_customers_are_masked_unless_asked_for(shop: CliEnvironment) -> None:
    person = shop.haravan.create(
        first_name="Ánh", last_name="Nguyễn", email="anh.nguyen@example.com", phone="0900000001"
    )

    masked = await shop.tagger("customers", "get", ORG, str(person))
    listed = await shop.tagger("customers", "list", ORG, "--json")
    shown = await shop.tagger("customers", "get", ORG, str(person), "--show-personal")

    assert "Ánh" in masked.out
    assert "a•••@example.com" in masked.out
    assert not any(text in masked.out + listed.out for text in ("anh.nguyen@", "0900000001"))
    assert "anh.nguyen@example.com" in shown.out


async def test_json_has_every_digit_that_haravan_sent(shop: CliEnvironment) -> None:
    person = shop.haravan.create(first_name="Ánh", total_spent=261380000)

    result = await shop.tagger("customers", "get", ORG, str(person), "--json")

    assert '"total_spent": 261380000.0000' in result.out


async def test_customers_are_counted_listed_and_found(shop: CliEnvironment) -> None:
    shop.haravan.create(first_name="Diễm Hương", last_name="Tôn")

    counted = await shop.tagger("customers", "count", ORG)
    listed = await shop.tagger("customers", "list", ORG, "--limit", "5", "--json")
    found = await shop.tagger("customers", "search", ORG, "-", "--json", stdin="Diễm Hương\n")
    groups = await shop.tagger("customers", "groups", ORG)

    assert counted.out.strip() == "21"
    assert len(json.loads(listed.out)) == 5
    assert [customer["first_name"] for customer in json.loads(found.out)] == ["Diễm Hương"]
    assert groups.code == 0


async def test_calls_go_through_the_shops_bucket(shop: CliEnvironment, redis: RedisClient) -> None:
    await shop.tagger("customers", "count", ORG)

    assert int(await redis.hget(keys.shop(ORG, "rate_limit"), "dispatched") or 0) >= 1
