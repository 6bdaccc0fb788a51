"""Servers that redirect in circles, lie, fall silent, or go while callers wait: what each caller gets, and what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.exceptions import AskError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.runtime.tasks import cancel_and_wait
from service.store.client.connection import connect
from service.store.queue.liveness import Liveness
from service.store.servers.errors import CertificateError, NoReplicas
from tests.support.scripted_server import Answer, ScriptedServer, array, bulk, scripted_server
from tests.support.valkey import valkey
from tests.support.wait import wait_until
from tests.workers.stepping import Steps

OK: Answer = lambda _: b"+OK\r\n"  # noqa: E731
SILENT: Answer = lambda _: b""  # noqa: E731


def nodes(*owners: tuple[ScriptedServer, str]) -> bytes:
    """What CLUSTER NODES says of these servers and their slots. A later one has a newer epoch."""
    lines = [
        f"{number} 127.0.0.1:{server.port}@1 master - 0 1 {number} connected {slots}".strip()
        for number, (server, slots) in enumerate(owners)
    ]
    return bulk("\n".join(lines))


def url_of(server: ScriptedServer, scheme: str = "redis") -> str:
    return f"{scheme}://127.0.0.1:{server.port}"


@asynccontextmanager
async def pair(
    answer: Callable[[ScriptedServer, ScriptedServer], Answer],
) -> AsyncIterator[list[ScriptedServer]]:
    """Two servers of a cluster. Each answers as `answer(other server, itself)` says, and gives all slots to the first."""
    async with scripted_server() as first, scripted_server() as second:
        for server, other in ((first, second), (second, first)):
            server.answer = _of_cluster(answer(other, server), [(first, "0-16383"), (second, "")])
        yield [first, second]


def _of_cluster(answer: Answer, owners: list[tuple[ScriptedServer, str]]) -> Answer:
    def reply(words: list[bytes]) -> bytes | None:
        if words[0] == b"CLUSTER":
            return nodes(*owners)
        return b"+OK\r\n" if words[0] == b"ASKING" else answer(words)

    return reply


def to_other(code: str) -> Callable[[ScriptedServer, ScriptedServer], Answer]:
    return lambda other, _: lambda _words: f"-{code} 1 127.0.0.1:{other.port}\r\n".encode()


def to_nobody(code: str) -> Callable[[ScriptedServer, ScriptedServer], Answer]:
    return lambda _, own: lambda _words: f"-{code} 1 :{own.port}\r\n".encode()


@pytest.mark.parametrize(
    ("redirects", "kind"),
    [
        pytest.param(to_other("MOVED"), MovedError, id="moved to each other"),
        pytest.param(to_other("ASK"), AskError, id="ask each other"),
        pytest.param(to_nobody("MOVED"), MovedError, id="moved to a server without a name"),
        pytest.param(to_nobody("ASK"), AskError, id="ask a server without a name"),
        pytest.param(lambda *_: lambda _: b"-MOVED 1 127.0.0.1:70000\r\n", MovedError, id="moved to no port"),
        pytest.param(lambda *_: lambda _: b"-MOVED\r\n", RedisError, id="moved to nothing"),
        pytest.param(lambda *_: lambda _: b"-ASK 1 a..b:1\r\n", RedisConnectionError, id="ask no name"),
    ],
)
async def test_redirections_without_end_are_an_error_of_their_caller(
    redirects: Any, kind: type[Exception]
) -> None:
    async with (
        pair(redirects) as servers,
        connect(url_of(servers[0], "redis+cluster"), patience_s=0.3) as store,
    ):
        client: Any = store
        with pytest.raises(kind):
            await client.get("key")

        assert len(servers[0].asked) + len(servers[1].asked) < 100  # it pauses
        for server in servers:
            server.answer = _of_cluster(OK, [(server, "0-16383")])
        assert await client.get("key") == b"OK"


async def test_a_node_that_talks_nonsense_is_passed_over() -> None:
    async with scripted_server() as odd, scripted_server() as good:
        good.answer = _of_cluster(OK, [(good, "0-16383")])
        url = f"redis+cluster://127.0.0.1:{odd.port},127.0.0.1:{good.port}"
        line = bulk("id :0@0 master - 0 1 1 connected 0-16383")
        for reply in (line, b":1\r\n", bulk(b"\xff" * 9), bulk("id a:1 master - 0 1 x connected 0-5")):
            odd.answer = lambda _, reply=reply: reply
            async with connect(url, patience_s=0.3) as store:
                client: Any = store
                assert await client.get("key") == b"OK"


async def test_a_failover_while_callers_wait_for_a_connection_leads_them_to_the_new_primary() -> None:
    """The old primary accepts connections and is silent. Callers must neither wait for it nor be cancelled."""
    async with scripted_server() as old, scripted_server() as new:
        owners = [(new, ""), (old, "0-16383")]

        def answer(server: ScriptedServer) -> Answer:
            def reply(words: list[bytes]) -> bytes:
                if words[0] == b"CLUSTER":
                    return nodes(*owners)
                return b"" if server is old else b"+OK\r\n"

            return reply

        old.answer, new.answer = answer(old), answer(new)
        url = f"redis+cluster://:password@127.0.0.1:{new.port}"
        async with connect(url, connect_timeout_s=60, patience_s=60) as store:
            client: Any = store
            calls = [asyncio.create_task(client.get("key")) for _ in range(3)]
            await until(lambda: old.asked)
            owners[:] = [(old, ""), (new, "0-16383")]

            assert await asyncio.gather(*calls) == [b"OK"] * 3


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
async def test_a_closed_client_opens_no_connection(scheme: str) -> None:
    async with scripted_server() as server:
        server.answer = _of_cluster(SILENT, [(server, "0-16383")])
        client: Any = connect(url_of(server, scheme), patience_s=60)
        calls = [asyncio.create_task(client.get("key")) for _ in range(3)]
        await until(lambda: [b"GET", b"key"] in server.asked)
        await client.aclose()
        opened = server.connections

        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, RedisConnectionError)
        for call in (
            client.get("key"),
            watch(client),
            client.servers() if scheme != "redis" else client.get("key"),
        ):
            with pytest.raises(RedisConnectionError):
                await call
        await until(lambda: not server.writers)
        assert server.connections == opened


async def test_replies_that_come_late_are_given_to_nobody_else() -> None:
    """A proxy delays replies until the callers have given up: then the connection goes, and their replies with it."""
    async with (
        scripted_server(SILENT) as server,
        connect(url_of(server), timeout_s=0.1, patience_s=0) as store,
    ):
        client: Any = store
        with pytest.raises(RedisTimeoutError):
            await client.get("one")
        late = list(server.writers)
        server.answer = lambda words: bulk(words[1])
        second = asyncio.create_task(client.get("two"))
        for writer in late:
            writer.write(bulk("one"))

        assert await second == b"two"


async def test_a_connection_that_is_cut_within_a_transaction_is_an_error_when_patience_is_over() -> None:
    def answer(words: list[bytes]) -> bytes | None:
        return None if words[0] == b"EXEC" else b"+OK\r\n"

    async with scripted_server(answer) as server, connect(url_of(server), patience_s=0) as store:
        client: Any = store
        with pytest.raises(RedisConnectionError):
            await watch(client)
        async with client.pipeline() as pipe:
            pipe.set("key", 1)
            with pytest.raises(RedisConnectionError):
                await pipe.execute()


async def test_a_transaction_that_is_refused_for_a_while_is_repeated_with_pauses() -> None:
    refusals = 3

    def answer(words: list[bytes]) -> bytes:
        nonlocal refusals
        if words[0] == b"EXEC" and refusals:
            refusals -= 1
            return b"-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.\r\n"
        return echo(words, guards=0)

    async with scripted_server(answer) as server, connect(url_of(server), patience_s=60) as store:
        client: Any = store
        assert await watch(client) == b"key"
    assert server.asked.count([b"EXEC"]) == 4

    refusals = 1_000_000
    async with scripted_server(answer) as server, connect(url_of(server), patience_s=0.3) as store:
        client = store
        with pytest.raises(NoReplicas):
            await watch(client)
    assert 2 < server.asked.count([b"EXEC"]) < 100


async def test_a_transaction_whose_keys_change_again_and_again_is_repeated_with_pauses() -> None:
    def answer(words: list[bytes]) -> bytes:
        return b"*-1\r\n" if words[0] == b"EXEC" else echo(words)

    async with scripted_server(answer) as server, connect(url_of(server)) as store:
        client: Any = store
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await watch(client)
    assert 2 < server.asked.count([b"EXEC"]) < 100


async def test_a_transaction_that_was_executed_without_an_answer_is_not_attempted_again() -> None:
    executed: list[bytes] = []  # the watched mark, once the transaction is executed

    def answer(words: list[bytes]) -> bytes | None:
        match words:
            case [b"WATCH", b"key", mark] if not executed:
                assert mark.startswith(b"key:transaction:")
            case [b"SET", key, value, b"EX", _]:
                executed.extend([key, value])
            case [b"EXEC"]:
                return None
            case [b"GET", key] if key in executed:
                return bulk(executed[1])
        return b"+OK\r\n"

    attempts = 0

    async def attempt(pipe: Any) -> int:
        nonlocal attempts
        attempts += 1
        pipe.multi()
        return attempts

    async with scripted_server(answer) as server, connect(url_of(server), patience_s=60) as store:
        client: Any = store
        assert await client.transact(["key"], attempt) == 1
    assert attempts == 1


@asynccontextmanager
async def cut_at_random(port: int, rng: Random) -> AsyncIterator[int]:
    """The port of a proxy of this server that cuts connections before commands or replies."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, cuts: float) -> None:
        with suppress(ConnectionError):
            while (data := await reader.read(65_536)) and rng.random() >= cuts:
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, commands = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(forward(reader, commands, cuts=0.02), forward(answers, writer, cuts=0.08))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        yield proxy.sockets[0].getsockname()[1]


async def test_each_transaction_is_executed_once_however_often_connections_are_cut(tmp_path: Path) -> None:
    async def increment(pipe: Any) -> int:
        number = int(await pipe.get("number") or 0) + 1
        pipe.multi()
        pipe.set("number", number)
        pipe.rpush("numbers", number)
        return number

    with valkey(tmp_path, on_port=True) as url:
        async with (
            cut_at_random(urlsplit(url).port or 0, Random(1)) as port,
            connect(f"redis://127.0.0.1:{port}", patience_s=60) as store,
        ):
            client: Any = store

            async def increment_often() -> list[int]:
                return [await client.transact(["number"], increment) for _ in range(40)]

            returned = await asyncio.gather(*(increment_often() for _ in range(6)))
        async with connect(url) as store:
            client = store
            stored = [int(number) for number in await client.lrange("numbers", 0, -1)]

    assert sorted(number for numbers in returned for number in numbers) == stored == [*range(1, 241)]


async def test_text_that_is_no_unicode_is_an_error_of_its_caller() -> None:
    async with scripted_server() as server, connect(url_of(server)) as store:
        client: Any = store
        with pytest.raises(RedisError):
            await client.set("key", "\ud800")


@pytest.mark.parametrize("scheme", ["rediss", "rediss+cluster", "rediss+sentinel"])
async def test_a_file_of_tls_that_is_missing_is_an_error_at_once(scheme: str) -> None:
    async with connect(f"{scheme}://127.0.0.1:1?ssl_ca_certs=/nowhere", patience_s=60) as store:
        client: Any = store
        with pytest.raises(CertificateError, match="/nowhere"):
            await client.get("key")


async def get(client: Any) -> Any:
    return await client.get("key")


async def send_both(client: Any) -> Any:
    async with client.pipeline(transaction=False) as pipe:
        pipe.get("key")
        pipe.get("other")
        return await pipe.execute()


async def transact(client: Any) -> Any:
    async with client.pipeline() as pipe:
        pipe.get("{key}")
        pipe.set("{key}", 1)
        return await pipe.execute()


async def watch(client: Any) -> Any:
    async def attempt(pipe: Any) -> Any:
        value = await pipe.get("key")
        pipe.multi()
        pipe.get("key")
        return value

    return await client.transact(["key"], attempt)


async def stay_subscribed(client: Any) -> Any:
    liveness = Liveness(client)
    announcing = asyncio.create_task(liveness.announce())
    try:
        await liveness.wait_until_announced()
    finally:
        await cancel_and_wait(announcing)


def echo(words: list[bytes], *, guards: int = 1) -> bytes:
    """The reply to GET is the key, so that each caller recognises its own. `guards`: how many commands a transaction adds."""
    match words[0]:
        case b"GET":
            return bulk(words[1])
        case b"EXEC":
            return array([*guards * [b":0\r\n"], bulk(b"key"), b"+OK\r\n"])  # a GET and a SET
        case b"SUBSCRIBE":
            return b"*3\r\n+subscribe\r\n+channel\r\n:1\r\n"
    return b"+OK\r\n"


@pytest.mark.parametrize("work", [get, send_both, transact, watch, stay_subscribed])
async def test_a_caller_that_is_cancelled_at_any_await_leaves_a_working_client(
    work: Callable[[Any], Any],
) -> None:
    """No connection is left behind, and no reply goes to a wrong caller."""

    async def cancel(steps: Steps) -> None:
        steps.cancel()

    async with scripted_server() as server:
        server.answer = _of_cluster(echo, [(server, "0-16383")])
        for at in range(1, 1000):
            client: Any = connect(url_of(server, "redis+cluster"), timeout_s=60, connect_timeout_s=60)
            async with Steps(at, cancel) as steps:
                await steps.drive(work(client))
            keys = [f"key{number}" for number in range(10)]
            assert await asyncio.gather(*(client.get(key) for key in keys)) == [key.encode() for key in keys]
            assert await watch(client) == b"key"
            await client.aclose()
            await until(lambda: not server.writers)
            if steps.seen < at:
                break
    assert at > 2


async def until(holds: Callable[[], object]) -> None:
    """Wait until it holds."""

    async def check() -> bool:
        return bool(holds())

    await wait_until(check)
