"""One log line for each unit of work: the webhooks of a second, or any other request."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.domain.customers import OrgId
from service.store.ingest import Batch
from service.web.tally import Tally

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # asked for every few seconds by machines
MAX_ID: Final = 64
TOLD_EVERY_S: Final = 1.0


@dataclass(slots=True)
class Sum:
    """What the batches of up to a second came to."""

    batches: int = 0
    orgs: set[OrgId] = field(default_factory=set)
    outcome: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    lost: int = 0
    slowest_s: float = 0.0
    cause: str = "refused"  # by the server, for one shop: then the batch itself has no failure

    def add(self, batch: Batch) -> None:
        """Count one more."""
        self.batches += 1
        self.slowest_s = max(self.slowest_s, batch.took_s)
        for lot in batch.lots:
            self.orgs.add(lot.org)
            self.outcome.update(lot.codes)
            self.repeats += lot.repeats
            self.lost += len(lot.events) - len(lot.codes)
        if batch.failure is not None:
            self.cause = str(batch.failure)

    def tell(self) -> None:
        """Write the line."""
        facts = {
            "unit": "webhooks",
            "batches": self.batches,
            "shops": len(self.orgs),
            "outcome": dict(self.outcome),
            "repeats": self.repeats,
            "duration_ms": round(self.slowest_s * 1000, 2),
        }
        log = structlog.get_logger()
        if self.lost:
            log.warning("request", **facts, status=503, not_stored=self.lost, cause=self.cause)
        else:
            log.info("request", **facts, status=200)


class Batches:
    """Counts the events of each written batch, and writes one line for all batches of a second.

    The first of a quiet time is told at once, and so is one that failed. A line for each webhook would cost a fifth of
    the throughput, one for each batch a twentieth; the single event is in the delivery record.
    """

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._sum = Sum()
        self._resting: asyncio.TimerHandle | None = None

    def __call__(self, batch: Batch) -> None:
        """Take note of a batch that was written or failed."""
        self._tally.batches += 1
        for lot in batch.lots:
            self._tally.deliveries.update(zip(lot.topics, lot.codes, strict=False))
            self._tally.repeats += lot.repeats
        self._sum.add(batch)
        if self._resting is None or self._sum.lost:
            self.flush()

    def flush(self) -> None:
        """Tell what has not been told."""
        told, self._sum = self._sum, Sum()
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if told.batches:
            told.tell()
            self._resting = asyncio.get_running_loop().call_later(TOLD_EVERY_S, self.flush)


class Journal:
    """Pure ASGI middleware: gives each request an id, and writes one line when it is answered.

    Handlers bind what they know to the context; `BaseHTTPMiddleware` would lose that.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request)
        started = perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request.encode())]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            _line(scope, status=status, took_s=perf_counter() - started)
            structlog.contextvars.clear_contextvars()


def _line(scope: Scope, *, status: int, took_s: float) -> None:
    path = scope["path"]
    if path in QUIET and status < 500:
        return
    log = structlog.get_logger()
    say = log.error if status == 500 else log.info
    say(
        "request",
        unit="http",
        method=scope["method"],
        path=path[:200],
        status=status,
        duration_ms=round(took_s * 1000, 2),
    )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and len(value) <= MAX_ID and value.isalnum():
            return str(value.decode())
    return uuid4().hex[:16]
