"""A connection gives each caller its own reply, however the bytes arrive and which callers give up."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.servers import connection as module
from service.store.servers.connection import Connection, pack_command
from service.store.servers.errors import CommandsOverflow

GET = pack_command("GET", "key")


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and whose bytes a test makes arrive."""

    def __init__(self, timeout_s: float = 60) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.unsent = 0
        self.is_aborted = False
        self.connection = Connection(timeout_s)
        self.connection.connection_made(self)

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.is_aborted = True

    def receive(self, data: bytes) -> None:
        self.connection.data_received(data)


@pytest.fixture
async def wire() -> Any:
    """An open connection over a wire."""
    wire = Wire()
    yield wire
    wire.connection.close()


REPLIES = (
    b"$3\r\none\r\n" + b":2\r\n" + b"-ERR three\r\n" + b"*2\r\n$1\r\na\r\n*-1\r\n" + b"$-1\r\n" + b"+OK\r\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
async def test_replies_are_read_however_the_bytes_are_split(wire: Wire, size: int) -> None:
    futures = [wire.connection.send(GET) for _ in range(3)]
    batch = wire.connection.send_batch([GET, GET])
    last = wire.connection.send(GET)

    for start in range(0, len(REPLIES), size):
        wire.receive(REPLIES[start : start + size])

    assert await futures[0] == b"one"
    assert await futures[1] == 2
    with pytest.raises(ResponseError, match=r"^three$"):
        await futures[2]
    assert await batch == [[b"a", None], None]
    assert await last == b"OK"


async def test_a_split_at_every_byte_gives_the_same_replies(wire: Wire) -> None:
    for at in range(1, len(REPLIES)):
        batch = wire.connection.send_batch([GET] * 6)
        wire.receive(REPLIES[:at])
        wire.receive(REPLIES[at:])
        one, two, three, *others = await batch
        assert (one, two, str(three), others) == (b"one", 2, "three", [[b"a", None], None, b"OK"])


async def test_a_caller_that_gives_up_leaves_the_replies_of_others_in_place(wire: Wire) -> None:
    given_up = wire.connection.send(GET)
    given_up_batch = wire.connection.send_batch([GET, GET])
    other = wire.connection.send(GET)
    given_up.cancel()
    given_up_batch.cancel()

    wire.receive(b"+first\r\n+second\r\n+third\r\n")
    assert not other.done()
    wire.receive(b"+mine\r\n")

    assert await other == b"mine"


async def test_a_caller_may_give_up_in_the_middle_of_its_batch(wire: Wire) -> None:
    batch, other = wire.connection.send_batch([GET, GET, GET]), wire.connection.send(GET)
    wire.receive(b"+1\r\n+2\r")
    batch.cancel()
    wire.receive(b"\n+3\r\n+mine\r\n")

    assert await other == b"mine"


async def test_commands_of_one_turn_leave_in_one_write_and_in_order(wire: Wire) -> None:
    wire.connection.send(b"a")
    wire.connection.send_batch([b"b", b"c"])
    wire.connection.send(b"d")
    assert wire.writes == 0

    await asyncio.sleep(0)

    assert (wire.written, wire.writes) == (b"abcd", 1)


async def test_a_lost_connection_is_an_error_of_every_caller_and_of_later_ones(wire: Wire) -> None:
    one, batch = wire.connection.send(GET), wire.connection.send_batch([GET, GET])
    wire.receive(b"+1\r\n+2\r\n")
    wire.connection.connection_lost(ConnectionResetError("reset by peer"))

    assert await one == b"1"
    with pytest.raises(RedisConnectionError, match="reset by peer"):
        await batch
    with pytest.raises(RedisConnectionError, match="is closed"):
        wire.connection.send(GET)
    await asyncio.sleep(0)
    assert wire.written == b""  # nothing is written to a closed connection


async def test_a_lost_connection_is_no_news_if_its_callers_have_given_up(wire: Wire) -> None:
    news: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: news.append(context))

    wire.connection.send(GET)
    wire.connection.send_batch([GET])
    wire.connection.close()
    gc.collect()

    assert news == []


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n", b"*1\r\n?\r\n", b"$-2\r\n", b"*-7\r\n", b"*1\r\n" * 10_000 + b":1\r\n"],
)
async def test_bytes_of_another_protocol_close_the_connection(wire: Wire, garbage: bytes) -> None:
    future = wire.connection.send(GET)
    wire.receive(garbage)

    with pytest.raises(InvalidResponse):
        await future
    assert wire.is_aborted


async def test_a_reply_that_nobody_waits_for_closes_the_connection(wire: Wire) -> None:
    wire.receive(b"+surprise\r\n")

    assert wire.is_aborted
    assert not wire.connection.is_open


@pytest.mark.parametrize(
    "unasked",
    [b">2\r\n+invalidate\r\n+key\r\n", b",1.5\r\n", b"#t\r\n", b"%1\r\n+a\r\n+b\r\n"],
    ids=["a push", "a double", "a boolean", "a map"],
)
async def test_what_only_resp3_has_is_nobodys_reply(wire: Wire, unasked: bytes) -> None:
    """If it went to the first caller, every later reply would go to a wrong one."""
    first, second = wire.connection.send(GET), wire.connection.send(GET)
    wire.receive(unasked + b"+first\r\n+second\r\n")

    for future in (first, second):
        with pytest.raises(InvalidResponse):
            await future
    assert wire.is_aborted


async def test_errors_inside_of_an_array_are_values(wire: Wire) -> None:
    future = wire.connection.send(GET)
    wire.receive(b"*2\r\n+OK\r\n-WRONGTYPE not a hash\r\n")

    ok, error = await future
    assert ok == b"OK"
    assert isinstance(error, ResponseError)


async def test_the_number_of_waiting_commands_is_bounded(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    batch = wire.connection.send_batch([GET] * 10)  # one caller
    others = [wire.connection.send(GET) for _ in range(2)]
    with pytest.raises(CommandsOverflow):
        wire.connection.send(GET)

    wire.receive(b"+OK\r\n" * 12)
    await asyncio.gather(batch, *others)
    wire.connection.send(GET)


async def test_a_server_that_takes_no_bytes_gets_no_more(wire: Wire) -> None:
    wire.unsent = module.MAX_UNSENT_BYTES + 1
    wire.connection.send(GET)
    wire.connection.pause_writing()
    with pytest.raises(CommandsOverflow):
        wire.connection.send(GET)

    wire.connection.resume_writing()
    wire.connection.send(GET)


async def test_a_server_that_owes_a_reply_and_is_silent_is_disconnected() -> None:
    wire = Wire(timeout_s=0.05)
    future = wire.connection.send(GET)

    with pytest.raises(RedisTimeoutError):
        await future
    assert wire.is_aborted


async def test_a_pause_of_the_whole_machine_is_no_silence_of_the_server() -> None:
    """Server and process were paused. The server gets its time again before it counts as silent."""
    wire = Wire(timeout_s=0.2)
    future = wire.connection.send(GET)
    await asyncio.sleep(0)
    time.sleep(0.5)  # noqa: ASYNC251  # this process stands still, and its timers with it
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the timer that is due has run
    wire.receive(b"+OK\r\n")

    assert await future == b"OK"
    wire.connection.close()


async def test_a_server_that_owes_nothing_may_be_silent() -> None:
    wire = Wire(timeout_s=0.01)
    future = wire.connection.send(GET)
    wire.receive(b"+OK\r\n")
    await future
    await asyncio.wait([asyncio.create_task(asyncio.sleep(0.05))])

    assert wire.connection.is_open
    wire.connection.close()
