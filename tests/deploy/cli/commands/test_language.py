"""`tagger rules fields|schema|values`."""

from __future__ import annotations

import json

import pytest

from service.domain.customers.customer import Customer
from service.domain.rules import FIELDS
from service.store.client import RedisClient
from tests.deploy.cli.environment import ORG, CliEnvironment, store_customers

pytestmark = pytest.mark.usefixtures("vietnamese")


async def test_fields_are_listed_without_redis_in_both_languages(environment: CliEnvironment) -> None:
    vi = await environment.tagger("rules", "fields")
    en = await environment.tagger("rules", "fields", "--lang", "en")
    as_json = json.loads((await environment.tagger("rules", "fields", "--json")).out)
    operators = await environment.tagger("rules", "fields", "gender", "--lang", "en")

    assert "Tổng chi tiêu" in vi.out
    assert "Total spent" in en.out
    assert [field["name"] for field in as_json] == [*FIELDS]
    assert "male, female" in operators.out


async def test_the_schema_is_json(environment: CliEnvironment) -> None:
    schema = json.loads((await environment.tagger("rules", "schema", "--lang", "en")).out)

    assert schema["properties"]["rules"]["description"] == "Rules: each gives one tag."


async def test_values_are_shown_with_counts_and_personal_texts_are_only_counted(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    people = [
        Customer(id=n, province="Hồ Chí Minh", total_spent=n * 10_0000, first_name="Ánh") for n in (1, 2, 3)
    ]
    await store_customers(redis, *people, Customer(id=4))

    provinces = await shop.tagger("rules", "values", ORG, "province")
    as_json = json.loads((await shop.tagger("rules", "values", ORG, "province", "--json")).out)
    spent = await shop.tagger("rules", "values", ORG, "total_spent", "--lang", "en")
    names = await shop.tagger("rules", "values", ORG, "first_name")

    assert [line.split("  ")[0] for line in provinces.out.splitlines()[2:]] == ["Hồ Chí Minh", "(chưa có)"]
    assert as_json["values"] == [{"value": "Hồ Chí Minh", "customers": 3}]
    assert as_json["empty"] == 1
    assert "half have at most" in spent.out
    assert "Ánh" not in names.out
    assert "(đã điền)" in names.out


async def test_a_shop_without_known_customers_is_told_how_to_scan(shop: CliEnvironment) -> None:
    result = await shop.tagger("rules", "values", ORG, "province")

    assert f"tagger backfill {ORG}" in result.out
