"""Users are changed one after the other, also if several people change them at once."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from service.domain.access import Role, User
from service.store.access import users
from service.store.client import RedisClient
from tests.support.visitors import store_user


async def test_users_are_found_by_name_and_by_address(redis: RedisClient) -> None:
    lan, an = await store_user(redis, Role.OPS, name="lan"), await store_user(redis, Role.VIEWER, name="an")

    assert await users.find(redis, "lan") == lan
    assert await users.find_by_email(redis, "an@example.com") == an
    assert await users.find_by_email(redis, "nobody@example.com") is None
    assert await users.list_all(redis) == [an, lan]


async def test_changes_at_the_same_time_do_not_lose_each_other(redis: RedisClient) -> None:
    await store_user(redis, Role.OPS, name="lan")

    def count(known: dict[str, User]) -> dict[str, User | None]:
        user = known["lan"]
        return {"lan": msgspec.structs.replace(user, password_ms=user.password_ms + 1)}

    await asyncio.gather(*(users.change(redis, count) for _ in range(8)))

    found = await users.find(redis, "lan")
    assert found is not None
    assert found.password_ms == 8


async def test_an_error_of_the_decision_changes_nothing(redis: RedisClient) -> None:
    lan = await store_user(redis, Role.OPS, name="lan")

    def fail(_: dict[str, User]) -> dict[str, User | None]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await users.change(redis, fail)
    assert await users.list_all(redis) == [lan]
