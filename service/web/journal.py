"""One log line for each unit of work: a batch of webhooks, or any other request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import perf_counter
from typing import Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.store.ingest import Batch
from service.web.tally import Tally

QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # asked for every few seconds by machines
MAX_ID: Final = 64


def batch_journal(tally: Tally) -> Callable[[Batch], None]:
    """What to do when a batch was written or failed: count its events and write one line.

    A line for each webhook would cost a fifth of the throughput; the single event is in the delivery record.
    """
    log = structlog.get_logger()

    def on_batch(batch: Batch) -> None:
        tally.batches += 1
        codes: Counter[str] = Counter()
        repeats = lost = 0
        for lot in batch.lots:
            tally.deliveries.update(zip(lot.topics, lot.codes, strict=False))
            codes.update(lot.codes)
            repeats += lot.repeats
            lost += len(lot.events) - len(lot.codes)
        tally.repeats += repeats
        facts = {
            "unit": "webhooks",
            "shops": len(batch.lots),
            "outcome": dict(codes),
            "repeats": repeats,
            "duration_ms": round(batch.took_s * 1000, 2),
        }
        if lost:
            log.warning(
                "request", **facts, status=503, not_stored=lost, cause=str(batch.failure or "refused")
            )
        else:
            log.info("request", **facts, status=200)

    return on_batch


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
