"""A connection of which every answer is heard in its order, and no end goes unheard."""

from __future__ import annotations

import asyncio
from typing import Any

import hiredis
import pytest
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from deploy.local.wait import until
from service.errors import StoreAway
from service.store.line import Line
from service.store.lots import Confirmation


def packed(*words: Any) -> bytes:
    command: bytes = hiredis.pack_command(words)
    return command


async def line_of(redis: ArqRedis) -> Line:
    connection: Any = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    await connection.connect()
    return Line(connection)


async def test_answers_are_heard_in_their_order_and_errors_are_among_them(redis: ArqRedis) -> None:
    line = await line_of(redis)
    heard: list[object] = []
    words = [("ECHO", "a"), ("EVALSHA", "0" * 40, 0), ("HGET", "one"), ("ECHO", "b" * 100_000)]

    await line.call([packed(*each) for each in words], heard.append)
    await line.call([packed("ECHO", "c")], heard.append)

    assert [each for each in heard if isinstance(each, bytes)] == [b"a", b"b" * 100_000, b"c"]
    assert [type(each) for each in heard[1:3]] == [NoScriptError, ResponseError]
    line.hang_up()


async def test_what_fails_in_the_hearer_fails_the_call(redis: ArqRedis) -> None:
    def hear(_: object) -> None:
        raise KeyError("a bug")

    line = await line_of(redis)

    with pytest.raises(KeyError):
        await line.call([packed("PING")], hear)
    line.hang_up()


async def test_a_connection_that_ends_is_heard_of_by_whoever_waits_and_whoever_comes_later(
    redis: ArqRedis,
) -> None:
    line = await line_of(redis)
    heard: list[object] = []
    waiting = asyncio.create_task(line.call([packed("PING"), packed("BLPOP", "nothing", 0)], heard.append))

    async def answered() -> bool:
        return bool(heard)

    assert await until(answered, within_s=60)
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]

    with pytest.raises(RedisConnectionError):
        await waiting
    assert not line.is_open
    with pytest.raises(RedisConnectionError):
        await line.call([packed("PING")], heard.append)


async def test_who_waits_for_a_confirmation_is_told_whatever_the_others_do() -> None:
    told: list[StoreAway | None] = []

    def breaks(_: StoreAway | None) -> None:
        raise KeyError("a bug")

    confirmation, failure = Confirmation(), StoreAway("no")
    left = asyncio.ensure_future(confirmation)
    stays = asyncio.ensure_future(confirmation)
    await asyncio.sleep(0)
    left.cancel()
    confirmation.then(breaks)
    confirmation.then(told.append)

    assert not confirmation.done()
    confirmation.tell(failure)
    confirmation.then(told.append)

    assert told == [failure, failure]
    assert await stays is failure
    assert await confirmation is failure
    assert left.cancelled()
