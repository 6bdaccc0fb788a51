"""Tokens are stored by name, found in one round trip, and their last use is written once a minute."""

from __future__ import annotations

from typing import Any

from service.domain.access import Role, Token, create_token, shell_user
from service.store.access import tokens
from service.store.client import RedisClient

CREATED = create_token(
    "bao-cao", Role.VIEWER, shops=None, expires_ms=0, by=shell_user("lan"), now_ms=1, random=b"\x0f" * 32
)
TOKEN: Token = CREATED.stored
OPS = create_token(
    "an", Role.OPS, shops=None, expires_ms=0, by=shell_user("lan"), now_ms=1, random=b"\x01" * 32
)


async def test_a_token_is_found_listed_and_removed(redis: RedisClient) -> None:
    assert await tokens.add(redis, TOKEN)
    assert await tokens.add(redis, OPS.stored)

    assert await tokens.find(redis, "bao-cao") == (TOKEN, 0)
    assert [use.token.name for use in await tokens.list_all(redis)] == ["an", "bao-cao"]
    await tokens.remove(redis, "bao-cao")
    assert await tokens.find(redis, "bao-cao") is None
    assert [use.token.name for use in await tokens.list_all(redis)] == ["an"]


async def test_a_name_is_given_once(redis: RedisClient) -> None:
    await tokens.add(redis, TOKEN)

    assert not await tokens.add(redis, create_again().stored)
    assert await tokens.find(redis, "bao-cao") == (TOKEN, 0)


def create_again() -> Any:
    return create_token(
        "bao-cao", Role.OWNER, shops=None, expires_ms=0, by=shell_user("x"), now_ms=2, random=b"\x02" * 32
    )


async def test_nothing_in_the_store_is_the_token(redis: RedisClient) -> None:
    await tokens.add(redis, TOKEN)

    stored = b"".join(await redis.hvals(tokens.TOKENS))
    assert CREATED.secret.encode() not in stored
    assert (b"\x0f" * 32).hex().encode() not in stored


async def test_the_last_use_is_written_at_most_once_a_minute(redis: RedisClient) -> None:
    await tokens.add(redis, TOKEN)
    seen = []
    for now_ms in (100_000, 100_001, 159_999, 160_000, 160_001):
        use = await tokens.find(redis, "bao-cao")
        assert use is not None
        await tokens.save_use(redis, use, now_ms=now_ms)
        seen.append(await redis.hget(tokens.USES, "bao-cao"))

    assert seen == [b"100000", b"100000", b"100000", b"160000", b"160000"]


async def test_a_token_that_is_made_anew_was_never_used(redis: RedisClient) -> None:
    await tokens.add(redis, TOKEN)
    await tokens.save_use(redis, tokens.TokenUse(TOKEN, 0), now_ms=100_000)
    await tokens.remove(redis, "bao-cao")

    await tokens.add(redis, TOKEN)

    assert await tokens.find(redis, "bao-cao") == (TOKEN, 0)


async def test_the_time_of_the_server_comes_with_the_token(redis: RedisClient) -> None:
    await tokens.add(redis, TOKEN)
    seconds, _ = await redis.time()

    use, now_ms = await tokens.find_with_time(redis, "bao-cao")
    unknown, _ = await tokens.find_with_time(redis, "nobody")

    assert use == (TOKEN, 0)
    assert unknown is None
    assert now_ms // 1000 >= seconds
