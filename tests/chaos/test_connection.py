"""A connection that was closed meanwhile is a store that went away, whatever the event loop calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from service.store.connection import connect


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_writing_to_a_closed_connection_is_a_connection_error(
    redis_url: str, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def scenario() -> None:
        client = connect(redis_url)
        pool: Any = client.connection_pool
        connection = pool.make_connection()
        await connection.connect()

        connection._writer.transport.abort()  # as when its peer is killed between two commands
        await asyncio.sleep(0)

        with pytest.raises(RedisConnectionError):
            await connection.send_command("PING", check_health=False)
        await connection.disconnect()
        await client.aclose()

    run(scenario())
