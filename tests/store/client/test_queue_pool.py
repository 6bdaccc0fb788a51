"""arq's connections: a write to a closed one is a connection error with every event loop, and no cluster is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from service.store.client.queue_pool import connect_queue
from tests.support.valkey import valkey

Run = Callable[[Coroutine[Any, Any, None]], None]
both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


async def _expect_connection_error(pool: Any) -> None:
    connection = pool.make_connection()
    await connection.connect()

    connection._writer.transport.abort()  # as when its peer is killed between two commands
    await asyncio.sleep(0)

    with pytest.raises(RedisConnectionError):
        await connection.send_command("PING", check_health=False)
    await connection.disconnect()


@both_loops
def test_writing_to_a_closed_connection_is_a_connection_error(queue_url: str, run: Run) -> None:
    async def scenario() -> None:
        client = connect_queue(queue_url)
        await _expect_connection_error(client.connection_pool)
        await client.aclose()

    run(scenario())


@both_loops
def test_a_server_that_wants_a_password_is_an_error_and_not_an_endless_attempt(
    tmp_path: Path, run: Run
) -> None:
    async def scenario(url: str) -> None:
        client = connect_queue(url)
        with pytest.raises(RedisConnectionError, match="Authentication required"):
            await client.ping()
        await client.aclose()

    with valkey(tmp_path, requirepass="a-password") as url:
        run(scenario(url))


def test_a_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="QUEUE_URL"):
        connect_queue("redis+cluster://127.0.0.1:1")
