"""The client of one server: how it signs in, what it checks, and what it does when the server goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis.exceptions import AuthenticationError, DataError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from service.store.client import RedisClient
from service.store.client.connection import connect
from service.store.servers.errors import CertificateError
from tests.support.tls import certificate, tls_proxy
from tests.support.valkey import ValkeyServer, valkey

USER = ("ACL", "SETUSER", "tagger", "on", ">p@ss word", "~tagger:*", "+@all")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server on a port of 127.0.0.1."""
    server = ValkeyServer(tmp_path, on_port=True)
    server.start()
    yield server
    server.kill()


async def test_a_server_that_wants_a_password_is_an_error_at_once(tmp_path: Path) -> None:
    with valkey(tmp_path, requirepass="a-password") as url:
        async with connect(url, patience_s=60) as client:
            with pytest.raises(RedisConnectionError, match="Authentication required"):
                await client.ping()
        async with connect(url + "?password=a-password") as client:
            assert await client.ping() is True


async def test_a_user_of_an_acl_signs_in_and_gets_no_more_than_it_may(server: ValkeyServer) -> None:
    async with connect(server.url) as client:
        await client.execute_command(*USER)

    async with connect(f"redis://tagger:p%40ss%20word@127.0.0.1:{server.port}") as client:
        assert await client.set("tagger:x", 1) is True
        with pytest.raises(NoPermissionError):
            await client.set("other", 1)
    async with connect(f"redis://tagger:wrong@127.0.0.1:{server.port}", patience_s=60) as client:
        with pytest.raises(AuthenticationError):
            await client.ping()


async def test_a_database_is_selected(server: ValkeyServer) -> None:
    base = server.url.removesuffix("/0")
    async with connect(f"{base}/3") as third, connect(f"{base}/0") as first:
        await third.set("key", 3)
        assert (await third.get("key"), await first.get("key")) == (b"3", None)


async def test_tls_checks_the_name_of_the_server(server: ValkeyServer, tmp_path: Path) -> None:
    right, query = certificate(tmp_path, "127.0.0.1")
    wrong, wrong_query = certificate(tmp_path, "store.example")

    async with tls_proxy(server.port, right) as port:
        async with connect(f"rediss://127.0.0.1:{port}/0{query}") as client:
            assert await client.ping() is True
        async with connect(f"rediss://127.0.0.1:{port}/0", patience_s=60) as client:
            with pytest.raises(CertificateError):  # an unknown authority
                await client.ping()
    async with (
        tls_proxy(server.port, wrong) as port,
        connect(f"rediss://127.0.0.1:{port}/0{wrong_query}", patience_s=60) as client,
    ):
        with pytest.raises(CertificateError, match=r"127\.0\.0\.1"):
            await client.ping()


async def test_a_server_without_tls_is_not_spoken_to(server: ValkeyServer) -> None:
    async with connect(f"rediss://127.0.0.1:{server.port}/0", patience_s=0) as client:
        with pytest.raises(RedisError):
            await client.ping()


async def test_a_restart_is_noticed_by_no_caller(server: ValkeyServer) -> None:
    async with connect(server.url, patience_s=60) as store:
        client: Any = store
        await client.ping()
        server.kill()
        waiting = [asyncio.create_task(client.set(f"key{number}", number)) for number in range(50)]
        await asyncio.sleep(0.05)
        server.start()

        assert await asyncio.gather(*waiting) == [True] * 50


async def test_a_server_that_is_away_is_an_error() -> None:
    async with connect("redis://127.0.0.1:1/0") as client:
        with pytest.raises(RedisConnectionError):
            await client.ping()


async def test_cancelled_callers_disturb_no_other(redis: RedisClient) -> None:
    async def ask(number: int) -> bytes:
        return bytes(await redis.execute_command("ECHO", f"{number}", near="tagger:x"))

    tasks = [asyncio.create_task(ask(number)) for number in range(400)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)

    for number, reply in enumerate(replies):
        assert isinstance(reply, asyncio.CancelledError) if number % 3 == 0 else reply == b"%d" % number


async def test_a_value_that_cannot_be_sent_is_an_error_of_its_caller(redis: RedisClient) -> None:
    for value in (None, {"a": 1}):
        with pytest.raises(DataError):
            await redis.set("tagger:x", value)


def test_another_event_loop_is_served_as_well(redis_url: str) -> None:
    async def scenario() -> Any:
        async with connect(redis_url, queue_url="redis://127.0.0.1:1") as client:
            return await client.ping()

    assert uvloop.run(scenario()) is True
