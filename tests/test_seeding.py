"""The shop and the rules of the environment are created once, and follow changes of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog

from service.domain.customers.customer import OrgId
from service.errors import InvalidSettings, Refused
from service.seeding import read_rules_file, seed_rules, seed_shop
from service.settings import Settings
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.rules import Versions
from service.store.shops.model import Shop
from service.store.shops.repository import TOKEN_REJECTED, ShopRepository

ORG = OrgId("1000000001")
KEY = "0123456789abcdef" * 2
GOM = Shop(ORG, "Nhà Gốm", "omni", "https://apis.haravan.com/com", "token-one")


@pytest.fixture
def shops(redis: RedisClient) -> ShopRepository:
    return ShopRepository(redis, KeyRing((KEY,)))


@pytest.fixture
def versions(redis: RedisClient) -> Versions:
    return Versions(redis)


def environment(**fields: Any) -> Settings:
    return Settings(**{"org_id": ORG, "access_token": "token-env", "secret_keys": (KEY,), **fields})


async def test_without_an_org_in_the_environment_nothing_is_seeded(shops: ShopRepository) -> None:
    assert await seed_shop(Settings(secret_keys=(KEY,)), shops) is None
    assert await shops.orgs() == ()


async def test_the_shop_of_the_environment_is_created_once(shops: ShopRepository) -> None:
    first = await seed_shop(environment(api_reserve=10), shops)
    again = await seed_shop(environment(api_reserve=10), shops)

    assert first == again
    assert first is not None
    assert (first.dialect, first.reserve) == ("omni", 10)
    assert (await shops.get_or_raise(ORG)).token == "token-env"


async def test_an_admin_address_means_the_admin_dialect(shops: ShopRepository) -> None:
    shop = await seed_shop(environment(api_url="https://nha-gom.myharavan.com/admin"), shops)

    assert shop is not None
    assert shop.dialect == "admin"


async def test_a_token_replaced_by_command_survives_the_next_start(shops: ShopRepository) -> None:
    await seed_shop(environment(), shops)
    await shops.set_token(ORG, "token-by-command")

    await seed_shop(environment(), shops)

    assert (await shops.get_or_raise(ORG)).token == "token-by-command"


async def test_a_changed_environment_is_applied_and_ends_the_pause(
    shops: ShopRepository,
) -> None:
    await seed_shop(environment(), shops)
    await shops.pause(ORG, reason=TOKEN_REJECTED, by="worker")

    await seed_shop(environment(access_token="token-env-2", api_reserve=5), shops)

    shop = await shops.get_or_raise(ORG)
    assert (shop.token, shop.reserve, shop.paused) == ("token-env-2", 5, "")


async def test_a_shop_added_by_command_gets_the_token_of_the_environment(shops: ShopRepository) -> None:
    await shops.add(GOM)

    await seed_shop(environment(), shops)

    shop = await shops.get_or_raise(ORG)
    assert (shop.token, shop.name) == ("token-env", "Nhà Gốm")


async def test_a_token_sealed_with_a_lost_key_is_named_with_the_remedy_and_stops_no_start(
    shops: ShopRepository, redis: RedisClient
) -> None:
    await seed_shop(environment(), shops)
    now = ShopRepository(redis, KeyRing(["another-key-" * 3]))

    with structlog.testing.capture_logs() as log:
        shop = await seed_shop(environment(), now)

    assert shop is not None
    assert [(line["outcome"], "tagger shops token ORG" in line["cause"]) for line in log] == [
        ("unreadable_token", True)
    ]


async def test_after_the_loss_of_a_key_a_new_token_in_the_environment_is_applied(
    shops: ShopRepository, redis: RedisClient
) -> None:
    await seed_shop(environment(), shops)
    now = ShopRepository(redis, KeyRing(["another-key-" * 3]))

    await seed_shop(environment(access_token="token-env-2"), now)

    assert (await now.get_or_raise(ORG)).token == "token-env-2"


def settings(path: Path) -> Settings:
    return Settings(rules_file=path)


async def test_the_rules_file_is_published_once(versions: Versions, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules:\n  - {id: a, name: A, tag: A, when: {field: orders_count, op: at_least, value: 1}}\n"
    )

    first = await seed_rules(settings(file), versions, GOM)
    again = await seed_rules(settings(file), versions, GOM)

    assert first is not None
    assert (first.number, first.author, again) == (1, "RULES_FILE", None)


@pytest.mark.parametrize("name", ["owned", "snapshots"])
async def test_a_shop_with_rules_or_customers_keeps_its_rules(
    versions: Versions, redis: RedisClient, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: []\n")
    await redis.hset(keys.shop(ORG, name), "7", "x")

    assert await seed_rules(settings(file), versions, GOM) is None
    assert await versions.live(ORG) is None


async def test_an_invalid_rules_file_is_reported_with_the_line(versions: Versions, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  - {id: a}\n")

    with pytest.raises(InvalidSettings, match=r"RULES_FILE .*rules\.yaml has errors:\n  - line 2"):
        await seed_rules(settings(file), versions, GOM)
    file.write_bytes("# khách".encode("latin-1"))
    with pytest.raises(InvalidSettings, match=r"RULES_FILE: .*not UTF-8"):
        read_rules_file(settings(file))


async def test_a_rules_file_in_another_currency_than_the_shops_is_refused(
    versions: Versions, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("currency: USD\nrules: []\n")

    with pytest.raises(Refused, match="amounts in VND"):
        await seed_rules(settings(file), versions, GOM)


async def test_without_a_rules_file_nothing_is_published(versions: Versions) -> None:
    assert await seed_rules(Settings(), versions, GOM) is None
