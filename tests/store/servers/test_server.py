"""The connections of one server: shared or for one transaction, and closed with all who wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.servers import server as module
from service.store.servers.address import Credentials, Endpoint
from service.store.servers.connection import Connection, ConnectionOptions
from service.store.servers.server import Server
from tests.support.scripted_server import ScriptedServer, scripted_server
from tests.support.wait import wait_until

SIGNS_IN = Credentials("", "password")


@asynccontextmanager
async def client_of(scripted: ScriptedServer, **options: Any) -> AsyncIterator[Server]:
    """Its client. What it does not do within the minute counts as a hang."""
    options = {"timeout_s": 60, "connect_timeout_s": 60} | options
    server = Server(Endpoint("127.0.0.1", scripted.port), ConnectionOptions(**options))
    yield server
    await server.close()


async def ask(server: Server) -> Any:
    return await server.ask("GET", "key")


async def test_many_callers_share_one_connection() -> None:
    async with scripted_server() as scripted, client_of(scripted) as server:
        assert await asyncio.gather(*(ask(server) for _ in range(50))) == [b"OK"] * 50

        assert scripted.connections == 1


@pytest.mark.parametrize("call", [ask, Server.acquire, Server.open_another])
async def test_who_waits_for_a_connection_hears_that_the_server_was_closed(
    call: Callable[[Server], Coroutine[Any, Any, Any]],
) -> None:
    """A failover closes the server while callers wait for it. CancelledError would end their tasks without a word."""
    async with (
        scripted_server(lambda _: b"") as scripted,
        client_of(scripted, credentials=SIGNS_IN) as server,
    ):
        waiting = [asyncio.create_task(call(server)) for _ in range(3)]
        await wait_until(_has_asked(scripted))
        await server.close()
        scripted.answer = lambda _: b"+OK\r\n"
        for writer in scripted.writers:
            writer.write(b"+OK\r\n")  # too late for a connection that is still waited for

        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, RedisConnectionError)
        with pytest.raises(RedisConnectionError):
            await call(server)
        await wait_until(_has_no_connection(scripted))


async def test_a_caller_that_gives_up_leaves_the_connection_to_the_others() -> None:
    async with (
        scripted_server(lambda _: b"") as scripted,
        client_of(scripted, credentials=SIGNS_IN) as server,
    ):
        first, second = asyncio.create_task(ask(server)), asyncio.create_task(ask(server))
        await wait_until(_has_asked(scripted))
        first.cancel()
        scripted.answer = lambda _: b"+OK\r\n"
        for writer in scripted.writers:
            writer.write(b"+OK\r\n")

        assert await second == b"OK"
        assert scripted.connections == 1


async def test_each_caller_gets_an_error_of_its_own() -> None:
    """An exception that many callers raise would collect the frames of all of them."""
    async with (
        scripted_server(lambda _: b"-WRONGPASS no\r\n") as scripted,
        client_of(scripted, credentials=SIGNS_IN) as server,
    ):
        errors = await asyncio.gather(*(ask(server) for _ in range(5)), return_exceptions=True)

    assert len({id(error) for error in errors}) == 5
    assert {str(error) for error in errors} == {"no"}


async def test_a_transaction_does_not_wait_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """If each of many transactions needed a second connection, all would wait for each other."""
    monkeypatch.setattr(module, "MAX_EXCLUSIVE", 1)
    async with scripted_server() as scripted, client_of(scripted, timeout_s=0.05) as server:
        connection = await server.acquire()
        with pytest.raises(RedisTimeoutError, match="became free"):
            await server.acquire()
        server.release(connection, is_clean=True)

        assert await server.acquire() is connection


@pytest.mark.parametrize(
    "greeting", ["ERR max number of clients reached", "DENIED Redis is running in protected mode"]
)
async def test_the_reason_why_a_server_refuses_connections_is_told(greeting: str) -> None:
    async with scripted_server(lambda _: None, greeting=f"-{greeting}\r\n".encode()) as scripted:
        endpoint = Endpoint("127.0.0.1", scripted.port)
        connection = await Connection.open(endpoint, ConnectionOptions())
        await connection.wait_closed(timeout_s=60)

        with pytest.raises(RedisConnectionError, match=greeting.partition(" ")[2]):
            connection.send(b"*1\r\n$4\r\nPING\r\n")


@pytest.mark.parametrize(("host", "port"), [("a..b", 1), ("x" * 300, 1), ("127.0.0.1", 70_000)])
async def test_a_name_or_port_that_cannot_be_is_a_connection_error(host: str, port: int) -> None:
    with pytest.raises(RedisConnectionError):
        await Connection.open(Endpoint(host, port), ConnectionOptions())


def _has_asked(scripted: ScriptedServer) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def holds() -> bool:
        return bool(scripted.asked)

    return holds


def _has_no_connection(scripted: ScriptedServer) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def holds() -> bool:
        return not scripted.writers

    return holds
