"""When a kept connection on which nothing is asked is ended: on the short way, on the long one, and where they mix."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.store.lots import Confirmation
from service.web.express import Express

KEEP_S = 75
SHORT = b"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
LONG = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"


class Timer:
    """A callback that is due."""

    def __init__(self, at_s: float, call: Callable[[], None]) -> None:
        self.at_s = at_s
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """A loop whose clock goes on when it is told to; tasks are the real one's."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now_s + delay_s, call))
        return self.timers[-1]

    def create_task(self, coroutine: Any, **_: Any) -> asyncio.Task[Any]:
        return asyncio.create_task(coroutine)

    def pass_by(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while due := [each for each in self.timers if not each.cancelled and each.at_s <= until_s]:
            first = min(due, key=lambda each: each.at_s)
            self.timers.remove(first)
            self.now_s = first.at_s
            first.call()
        self.now_s = until_s


class Transport:
    """Takes answers, and says whether it was ended."""

    def __init__(self) -> None:
        self.answers = 0
        self.ended = False

    def write(self, data: bytes) -> None:
        self.answers += data.startswith(b"HTTP/1.1 200")

    def writelines(self, data: Sequence[bytes]) -> None:
        self.write(b"".join(data))

    def abort(self) -> None:
        self.ended = True

    close = abort

    def is_closing(self) -> bool:
        return self.ended

    def get_extra_info(self, _: str, default: object = None) -> object:
        return default


class App:
    """Takes POST /short on the short way, and answers everything else on the long one."""

    path = b"/short"

    def __init__(self) -> None:
        self.desk = self
        self.waiting: list[Confirmation] = []

    def take(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> Confirmation:
        self.waiting.append(Confirmation())
        return self.waiting[-1]

    def answer(self, failure: object, *, took_s: float, last: bool) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


class Kept:
    """One connection, its clock and its other side."""

    def __init__(self) -> None:
        self.app, self.loop, self.transport = App(), Loop(), Transport()
        config = uvicorn.Config(
            self.app,
            http=Express,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            interface="asgi3",
            timeout_keep_alive=KEEP_S,
        )
        config.load()
        clock: Any = self.loop
        self.there = Express(config, ServerState(), {}, clock)
        other: Any = self.transport
        self.there.connection_made(other)

    def takes(self) -> Confirmation:
        self.there.data_received(SHORT)
        return self.app.waiting[-1]

    def short(self) -> None:
        self.takes().tell(None)

    async def long(self) -> None:
        before = self.transport.answers
        self.there.data_received(LONG)
        async with asyncio.timeout(60):
            while self.transport.answers == before:  # noqa: ASYNC110  # the other side tells nobody
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    def ends_after_its_rest(self) -> bool:
        """Whether it is ended in the very second in which it has been kept long enough."""
        self.loop.pass_by(KEEP_S - 1)
        before = self.transport.ended
        self.loop.pass_by(1)
        return self.transport.ended and not before


async def test_a_connection_lives_as_long_as_it_is_asked_something() -> None:
    kept = Kept()
    for _ in range(5):
        kept.short()
        kept.loop.pass_by(KEEP_S - 1)
        await kept.long()
        kept.loop.pass_by(KEEP_S - 1)

    assert not kept.transport.ended
    assert kept.transport.answers == 10


@pytest.mark.parametrize("ways", ["s", "ss", "l", "sl", "ls", "lss", "sls"])
async def test_it_ends_when_nothing_was_asked_for_as_long_as_it_is_kept(ways: str) -> None:
    kept = Kept()
    for number, way in enumerate(ways):
        kept.loop.pass_by(KEEP_S / 2 if number else 0)
        if way == "s":
            kept.short()
        else:
            await kept.long()

    assert kept.ends_after_its_rest()


async def test_whoever_waits_for_an_answer_is_not_hung_up_on_meanwhile() -> None:
    kept = Kept()
    kept.short()
    kept.loop.pass_by(KEEP_S - 1)

    slow = kept.takes()
    kept.loop.pass_by(KEEP_S * 2)
    assert not kept.transport.ended
    slow.tell(None)

    assert kept.ends_after_its_rest()


async def test_a_connection_that_is_lost_leaves_no_timer_behind() -> None:
    kept = Kept()
    kept.short()

    kept.there.connection_lost(None)

    assert all(each.cancelled for each in kept.loop.timers)
