"""`tagger shops`."""

from __future__ import annotations

import json

from arq.connections import ArqRedis

from tests.deploy.cli.environment import (
    ORG,
    TOKEN,
    CliEnvironment,
)


async def test_an_added_shop_is_listed_without_its_token(shop: CliEnvironment) -> None:
    result = await shop.tagger("shops", "list", "--json")

    listed = json.loads(result.out)
    assert [(row["org"], row["name"], row["dialect"]) for row in listed] == [(ORG, "Nhà Gốm", "omni")]
    assert TOKEN not in result.out + result.err


async def test_a_token_of_another_shop_is_not_stored(environment: CliEnvironment, redis: ArqRedis) -> None:
    result = await environment.tagger(
        "shops", "add", "42", "--api-url", f"{environment.url}/com", "--token-stdin", stdin=TOKEN
    )

    assert (result.code, result.err.strip()) == (
        1,
        f"this token belongs to shop {ORG}, not 42; nothing was stored",
    )
    assert await redis.keys("tagger:shops") == []


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


async def test_a_removed_shop_is_gone(shop: CliEnvironment, redis: ArqRedis) -> None:
    result = await shop.tagger("shops", "remove", ORG, "--yes")

    assert result.code == 0
    assert await redis.keys(f"*{ORG}*") == []
