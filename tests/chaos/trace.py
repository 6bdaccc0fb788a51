"""A worker that records every script call of its drain runs and every request that it starts.

From this trace `lease_check` tells whether a write was started although the worker could know that it had lost the
lease. Times come from the machine's monotonic clock, which all processes share. Each line is written with one system
call, so kill -9 cannot remove it.
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
from arq.worker import Worker

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient, StoreMonitor, keys
from service.store.queue.lease import LeaseManager, ShopLease
from workers.drain.job import Drain
from workers.events import EventDelivery
from workers.main import WorkerProcess
from workers.store_outage import StoreOutage
from workers.token_checks import TokenChecks

_encode = msgspec.json.Encoder().encode
_lease_token: ContextVar[str] = ContextVar("lease_token", default="")  # of the drain run of this task


class TraceFile:
    """The file of this process, with a JSON list in each line."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *facts: object) -> None:
        os.write(self._file, _encode([os.getpid(), *facts]) + b"\n")


class StopPoint:
    """Stops this process (SIGSTOP) at the moment for which it is armed. Another process must send SIGCONT."""

    def __init__(self) -> None:
        self.armed = ""

    def at(self, moment: str) -> None:
        """The process reaches a moment: `permit`, a write was permitted; `write`, a write is about to be sent."""
        if self.armed == moment:
            self.armed = ""
            os.kill(os.getpid(), signal.SIGSTOP)


class TracedScript:
    """A script. Each call is recorded with the times of request and answer, and a summary of the answer."""

    def __init__(self, name: str, run: Any, trace_file: TraceFile, stop_point: StopPoint) -> None:
        self._name = name
        self._run = run
        self._trace_file = trace_file
        self._stop_point = stop_point

    async def __call__(self, redis: RedisClient, org: OrgId, *args: Any) -> Any:
        requested_s = time.monotonic()
        reply: Any = None
        try:
            reply = await self._run(redis, org, *args)
            if self._name == "permit" and reply[0] == b"granted" and args[3] == "write":
                self._stop_point.at("permit")
            return reply
        finally:
            self._trace_file.write(
                self._name,
                requested_s,
                time.monotonic(),
                keys.shop(org),
                args[1],
                summarize(self._name, args, reply),
            )


def summarize(name: str, args: Sequence[Any], reply: Any) -> list[Any]:
    """The part of an answer that `lease_check` needs; empty if there was no answer."""
    if reply is None:
        return []
    match name:
        case "lease_acquire":
            return [bool(reply[0])]
        case "dequeue":
            return [reply[0].decode(), [int(customer) for customer in reply[3::2]]]
        case "permit":
            customer = int(args[4]) if args[3] == "write" else 0
            return [reply[0].decode() if reply[0] != b"refused" else reply[1].decode(), args[3], customer]
        case "settle":
            return ["lease_lost" if b"lease_lost" in reply else "ok"]
        case _:
            return ["ok"]


class TracedLeaseManager(LeaseManager):
    """Leases whose scripts are recorded."""

    def __init__(self, leases: LeaseManager, trace_file: TraceFile, stop_point: StopPoint) -> None:
        super().__init__(
            leases.redis,
            rate_limiter=leases.rate_limiter,
            clock_ms=leases.clock_ms,
            process_channel=leases.process_channel,
        )
        for name in ("lease_acquire", "dequeue", "permit", "settle", "lease_release"):
            setattr(self, name, TracedScript(name, getattr(self, name), trace_file, stop_point))

    async def acquire(self, org: OrgId, *, token: str) -> ShopLease | None:
        """Acquire the lease. The following calls of this task belong to its drain run."""
        _lease_token.set(token)
        return await super().acquire(org, token=token)


class TracedWorker(WorkerProcess):
    """A worker that records its script calls and requests."""

    trace_file: TraceFile
    stop_point: StopPoint

    def _arq(
        self,
        drain: Drain,
        events: EventDelivery,
        token_checks: TokenChecks,
        pool: RedisClient,
        monitor: StoreMonitor,
        outage: StoreOutage,
    ) -> Worker:
        session = drain.session
        if not session.trace_configs:
            session.trace_configs.append(_trace(self.trace_file, self.stop_point))
        return super()._arq(
            replace(drain, leases=TracedLeaseManager(drain.leases, self.trace_file, self.stop_point)),
            events,
            token_checks,
            pool,
            monitor,
            outage,
        )


def _trace(trace_file: TraceFile, stop_point: StopPoint) -> aiohttp.TraceConfig:
    async def started(_: object, context: SimpleNamespace, request: aiohttp.TraceRequestStartParams) -> None:
        if request.method != "GET":
            stop_point.at("write")
        context.started_s = time.monotonic()
        trace_file.write(
            "started", context.started_s, 0, "", _lease_token.get(), [request.method, request.url.path]
        )

    async def ended(_: object, context: SimpleNamespace, request: Any) -> None:
        facts = [request.method, request.url.path, context.started_s]
        trace_file.write("ended", time.monotonic(), 0, "", _lease_token.get(), facts)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(started)
    trace.on_request_end.append(ended)
    trace.on_request_exception.append(ended)
    trace.freeze()
    return trace
