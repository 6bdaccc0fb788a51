"""`tagger shops`."""

from __future__ import annotations

import json

import pytest

from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import (
    ORG,
    TOKEN,
    CliEnvironment,
)
from tests.support.store import all_keys


async def test_an_added_shop_is_listed_without_its_token(shop: CliEnvironment) -> None:
    result = await shop.tagger("shops", "list", "--json")

    listed = json.loads(result.out)
    assert [(row["org"], row["name"], row["dialect"]) for row in listed] == [(ORG, "Nhà Gốm", "omni")]
    assert TOKEN not in result.out + result.err


async def test_a_token_of_another_shop_is_not_stored(environment: CliEnvironment, redis: RedisClient) -> None:
    result = await environment.tagger(
        "shops", "add", "42", "--api-url", f"{environment.url}/com", "--token-stdin", stdin=TOKEN
    )

    assert (result.code, result.err.strip()) == (
        1,
        (
            f"Checking the token at {environment.url}/com (omni API).\n"
            f"this token belongs to shop {ORG}, not 42; nothing was stored"
        ),
    )
    assert await all_keys(redis, "tagger:shops") == []


async def test_a_wrong_token_is_rejected_by_haravan(environment: CliEnvironment) -> None:
    result = await environment.tagger(
        "shops", "add", ORG, "--api-url", f"{environment.url}/com", "--token-stdin", stdin="expired"
    )

    assert result.code == 4
    assert "expired" not in result.out + result.err


async def test_a_paused_shop_shows_its_reason_and_is_active_after_resume(shop: CliEnvironment) -> None:
    await shop.tagger("shops", "pause", ORG, "--reason", "kiểm kê")
    paused = await shop.tagger("shops", "list")
    await shop.tagger("shops", "resume", ORG)
    working = await shop.tagger("shops", "list")

    assert "kiểm kê" in paused.out
    assert "active" in working.out


async def test_a_removed_shop_is_gone(shop: CliEnvironment, redis: RedisClient) -> None:
    result = await shop.tagger("shops", "remove", ORG, "--yes")

    assert result.code == 0
    assert await all_keys(redis, f"*{ORG}*") == []


async def test_the_address_of_the_environment_is_used_and_selects_the_dialect(
    environment: CliEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARAVAN_API_URL", f"{environment.url}/admin")

    result = await environment.tagger("shops", "add", ORG, "--token-stdin", stdin=TOKEN)
    listed = json.loads((await environment.tagger("shops", "list", "--json")).out)

    assert f"admin API at {environment.url}/admin" in result.out, result.err
    assert [(row["dialect"], row["api_url"]) for row in listed] == [("admin", f"{environment.url}/admin")]


@pytest.mark.parametrize("dialect", ["com", "admin"])
@pytest.mark.parametrize("lacking", ["com.write_customers", "com.read_customers"])
async def test_a_token_without_a_scope_is_not_stored_and_the_scope_is_named(
    environment: CliEnvironment, lacking: str, dialect: str
) -> None:
    shop = environment.haravan.shop
    shop.scopes = tuple(scope for scope in shop.scopes if scope != lacking)
    address = f"{environment.url}/{dialect}"

    result = await environment.tagger("shops", "add", ORG, "--api-url", address, "--token-stdin", stdin=TOKEN)

    assert (result.code, f"lacks the scope {lacking}:" in result.err) == (1, True), result
    assert json.loads((await environment.tagger("shops", "list", "--json")).out) == []


async def test_a_shop_in_shadow_mode_needs_no_scope_for_writing(environment: CliEnvironment) -> None:
    shop = environment.haravan.shop
    shop.scopes = tuple(scope for scope in shop.scopes if scope != "com.write_customers")

    result = await environment.tagger(
        "shops", "add", ORG, "--api-url", f"{environment.url}/com", "--shadow", "--token-stdin", stdin=TOKEN
    )

    assert result.code == 0, result.err


async def test_a_shop_without_the_scope_stays_paused_and_the_doctor_names_the_scope(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    sandbox_shop = shop.haravan.shop
    sandbox_shop.scopes = tuple(scope for scope in sandbox_shop.scopes if scope != "com.write_customers")
    await redis.hset(keys.shop(ORG, "state"), mapping={"paused": "token_rejected", "paused_by": "worker"})

    diagnosed = await shop.tagger("doctor", ORG, "--lang", "en")
    resumed = await shop.tagger("shops", "resume", ORG)

    assert "com.write_customers" in diagnosed.out
    assert "shops resume" not in diagnosed.out
    assert (resumed.code, f"shop {ORG} stays paused" in resumed.err) == (1, True)
    assert await redis.hexists(keys.shop(ORG, "state"), "paused")
