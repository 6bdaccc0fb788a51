"""Sessions and one-time links: found while they are valid, and never afterwards."""

from __future__ import annotations

import asyncio

import msgspec

from service.domain.access import IDLE_MS, Role, Session, create_secret
from service.store.access import sessions, users
from service.store.access.users import keys_of
from service.store.client import RedisClient
from tests.support.store import all_keys
from tests.support.visitors import store_user

SECRET = create_secret("lan", random=b"\x01" * 32)
OTHER = create_secret("lan", random=b"\x02" * 32)


async def now_ms(redis: RedisClient) -> int:
    seconds, _ = await redis.time()
    return int(seconds) * 1000


async def is_valid(redis: RedisClient) -> bool:
    found, _ = await sessions.find(redis, SECRET)
    return found is not None


async def test_a_session_is_found_with_its_user_until_it_is_removed(redis: RedisClient) -> None:
    user = await store_user(redis, Role.OPS, name="lan")
    await sessions.add(redis, SECRET, Session(await now_ms(redis), "Firefox"))

    found, _ = await sessions.find(redis, SECRET)

    assert found is not None
    assert (found.user, found.use.session.agent, found.use.used_ms) == (user, "Firefox", 0)
    await sessions.remove(redis, "lan", SECRET.digest)
    assert not await is_valid(redis)


async def test_an_ended_session_is_not_found_and_is_deleted_at_the_next_sign_in(redis: RedisClient) -> None:
    await store_user(redis, Role.OPS, name="lan")
    await sessions.add(redis, SECRET, Session(await now_ms(redis) - IDLE_MS, ""))

    assert not await is_valid(redis)
    await sessions.add(redis, OTHER, Session(await now_ms(redis), ""))
    assert [use.digest for use in await sessions.list_all(redis, "lan")] == [OTHER.digest]


async def test_a_use_is_written_once_a_minute_and_cannot_bring_a_session_back(redis: RedisClient) -> None:
    await store_user(redis, Role.OPS, name="lan")
    at_ms = await now_ms(redis)
    await sessions.add(redis, SECRET, Session(at_ms, ""))
    found, _ = await sessions.find(redis, SECRET)
    assert found is not None

    await sessions.save_use(redis, "lan", found.use, now_ms=at_ms + 1)
    found, _ = await sessions.find(redis, SECRET)
    assert found is not None
    await sessions.save_use(redis, "lan", found.use, now_ms=at_ms + 2)
    [use] = await sessions.list_all(redis, "lan")
    await sessions.remove_all(redis, "lan")
    await sessions.save_use(redis, "lan", found.use, now_ms=at_ms + 100_000)

    assert use.used_ms == at_ms + 1
    assert not await is_valid(redis)


async def test_a_removed_user_has_no_session_and_a_new_one_of_the_name_inherits_none(
    redis: RedisClient,
) -> None:
    await store_user(redis, Role.OPS, name="lan")
    at_ms = await now_ms(redis)
    await sessions.add(redis, SECRET, Session(at_ms, ""))
    await users.change(redis, lambda _: {"lan": None})
    assert not await is_valid(redis)

    later = await store_user(redis, Role.OWNER, name="lan")
    await users.change(redis, lambda _: {"lan": msgspec.structs.replace(later, created_ms=at_ms + 1)})
    await sessions.add(redis, SECRET, Session(at_ms, ""))  # one that was stored while the user was removed

    assert not await is_valid(redis)


async def test_nothing_in_the_store_is_the_secret(redis: RedisClient) -> None:
    await sessions.add(redis, SECRET, Session(await now_ms(redis), ""))
    await sessions.add_link(redis, OTHER)

    stored = b""
    for key in await all_keys(redis, "*"):
        stored += key
        kind = await redis.type(key)
        stored += (
            b"".join([*(await redis.hgetall(key)), *(await redis.hgetall(key)).values()])
            if kind == b"hash"
            else await redis.get(key)
        )
    assert b"01" * 32 not in stored
    assert b"02" * 32 not in stored


async def test_sessions_expire_in_the_store(redis: RedisClient) -> None:
    await sessions.add(redis, SECRET, Session(await now_ms(redis), ""))

    assert await redis.pttl(keys_of("lan")[0]) > 0


async def test_a_link_works_once_also_for_two_browsers_at_once(redis: RedisClient) -> None:
    await sessions.add_link(redis, SECRET)

    used = await asyncio.gather(*(sessions.use_link(redis, SECRET) for _ in range(5)))

    assert sorted(used) == [False] * 4 + [True]


async def test_a_newer_link_replaces_an_earlier_one_and_a_wrong_one_uses_nothing_up(
    redis: RedisClient,
) -> None:
    await sessions.add_link(redis, SECRET)
    await sessions.add_link(redis, OTHER)

    assert not await sessions.use_link(redis, SECRET)
    assert await sessions.use_link(redis, OTHER)
