"""What a worker knew and did, written down as it happened: every script call of its turns, every request it began.

The lines tell afterwards whether a write was started although the loss of its lock was knowable (locks.py). Times are
those of the machine's monotonic clock, which all processes share. A line is written with one system call, so that
kill -9 cannot take it back.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker
from redis.asyncio import Redis

from service.domain.customers.customer import OrgId
from service.store.client import keys
from service.store.queue.lease import LeaseManager, ShopLease
from workers.drain.job import Drain
from workers.main import WorkerProcess

_encode = msgspec.json.Encoder().encode
_turn: ContextVar[str] = ContextVar("turn", default="")  # the token of the turn that this task works for


class Pen:
    """Writes lines of JSON lists into a file of this process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *facts: object) -> None:
        os.write(self._file, _encode([os.getpid(), *facts]) + b"\n")


class Standstill:
    """Stops this process (SIGSTOP) at the precise moment for which it is armed; somebody else must wake it."""

    def __init__(self) -> None:
        self.armed = ""

    def at(self, moment: str) -> None:
        """The process passes this moment: `permit`, a write was allowed; `write`, it is about to be sent."""
        if self.armed == moment:
            self.armed = ""
            os.kill(os.getpid(), signal.SIGSTOP)


class Noted:
    """One script of a turn; each call is noted with when it was asked and answered, and the gist of the answer."""

    def __init__(self, name: str, run: Any, pen: Pen, standstill: Standstill) -> None:
        self._name = name
        self._run = run
        self._pen = pen
        self._standstill = standstill

    async def __call__(self, redis: Redis, org: OrgId, *args: Any) -> Any:
        asked = time.monotonic()
        reply: Any = None
        try:
            reply = await self._run(redis, org, *args)
            if self._name == "permit" and reply[0] == b"granted" and args[3] == "write":
                self._standstill.at("permit")
            return reply
        finally:
            self._pen.write(
                self._name, asked, time.monotonic(), keys.shop(org), args[1], gist(self._name, args, reply)
            )


def gist(name: str, args: Sequence[Any], reply: Any) -> list[Any]:
    """What matters of an answer; an empty list when there was none."""
    if reply is None:
        return []
    match name:
        case "lease_acquire":
            return [bool(reply[0])]
        case "dequeue":
            return [reply[0].decode(), [int(each) for each in reply[3::2]]]
        case "permit":
            customer = int(args[4]) if args[3] == "write" else 0
            return [reply[0].decode() if reply[0] != b"refused" else reply[1].decode(), args[3], customer]
        case "settle":
            return ["lease_lost" if b"lease_lost" in reply else "ok"]
        case _:
            return ["ok"]


class WitnessedTurns(LeaseManager):
    """Turns whose scripts are noted."""

    def __init__(self, turns: LeaseManager, pen: Pen, standstill: Standstill) -> None:
        super().__init__(turns.redis, rate_limiter=turns.rate_limiter, clock_ms=turns.clock_ms)
        for name in ("lease_acquire", "dequeue", "permit", "settle", "lease_release"):
            setattr(self, name, Noted(name, getattr(self, name), pen, standstill))

    async def acquire(self, org: OrgId, *, token: str) -> ShopLease | None:
        """As it is; and what this task calls from now on belongs to this turn."""
        _turn.set(token)
        return await super().acquire(org, token=token)


class WitnessedWorker(WorkerProcess):
    """The worker as it is, with a witness beside it."""

    pen: Pen
    standstill: Standstill

    def _arq(self, drain: Drain, pool: ArqRedis) -> Worker:
        session = drain.session
        if not session.trace_configs:
            session.trace_configs.append(_trace(self.pen, self.standstill))
        return super()._arq(
            replace(drain, leases=WitnessedTurns(drain.leases, self.pen, self.standstill)), pool
        )


def _trace(pen: Pen, standstill: Standstill) -> aiohttp.TraceConfig:
    async def begun(_: object, context: SimpleNamespace, request: aiohttp.TraceRequestStartParams) -> None:
        if request.method != "GET":
            standstill.at("write")
        context.begun = time.monotonic()
        pen.write("begun", context.begun, 0, "", _turn.get(), [request.method, request.url.path])

    async def over(_: object, context: SimpleNamespace, request: Any) -> None:
        facts = [request.method, request.url.path, context.begun]
        pen.write("over", time.monotonic(), 0, "", _turn.get(), facts)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begun)
    trace.on_request_end.append(over)
    trace.on_request_exception.append(over)
    trace.freeze()
    return trace
