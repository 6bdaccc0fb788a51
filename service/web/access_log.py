"""Access log: gives each request an id, and logs one line when it is answered."""

from __future__ import annotations

from time import perf_counter
from typing import Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # monitoring calls them every few seconds
MAX_ID_LENGTH: Final = 64


class AccessLogMiddleware:
    """Pure ASGI middleware. Handlers bind fields to structlog's context; `BaseHTTPMiddleware` would lose them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id)
        started_s = perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            _log(scope, status=status, took_s=perf_counter() - started_s)
            structlog.contextvars.clear_contextvars()


def _log(scope: Scope, *, status: int, took_s: float) -> None:
    path = scope["path"]
    if path in QUIET_PATHS and status < 500:
        return
    logger = structlog.get_logger()
    log = logger.error if status == 500 else logger.info
    log(
        "http_request",
        method=scope["method"],
        path=path[:200],
        status=status,
        duration_ms=round(took_s * 1000, 2),
    )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and len(value) <= MAX_ID_LENGTH and value.isalnum():
            return str(value.decode())
    return uuid4().hex[:16]
