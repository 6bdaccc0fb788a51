"""`tagger customers export` and `erase`."""

from __future__ import annotations

import json

from service.store.client import RedisClient
from tests.deploy.cli.environment import ABOVE, ORG, CliEnvironment, store_customers


async def test_a_customer_is_exported_and_erased_also_without_haravan(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    await store_customers(redis, ABOVE)

    exported = await shop.tagger("customers", "export", ORG, "1")
    refused = await shop.tagger("customers", "erase", ORG, "1", stdin="2\n")
    erased = await shop.tagger("customers", "erase", ORG, "1", stdin="1\n")
    again = await shop.tagger("customers", "erase", ORG, "1", "--yes")
    after = await shop.tagger("customers", "export", ORG, "1")

    assert json.loads(exported.out)["record"]["total_spent"] == 20_000_000
    assert (refused.code, "Nothing was erased" in refused.out) == (1, True)
    assert (erased.code, "was erased" in erased.out) == (0, True)
    assert (again.code, "Nothing was stored" in again.out) == (0, True)
    assert json.loads(after.out)["record"] is None
    assert [entry["action"] for entry in json.loads(after.out)["audit"]] == [
        "erase_customer",
        "erase_customer",
        "export_customer",
    ]


async def test_an_erasure_for_scripts_is_json(shop: CliEnvironment) -> None:
    result = await shop.tagger("customers", "erase", ORG, "404", "--yes", "--json")

    assert (json.loads(result.out)["known"], result.code) == (False, 0)


async def test_an_unknown_shop_and_a_wrong_id_are_refused(shop: CliEnvironment) -> None:
    unknown = await shop.tagger("customers", "export", "42", "1")
    wrong = await shop.tagger("customers", "export", ORG, "x")

    assert (unknown.code, wrong.code) == (1, 2)
