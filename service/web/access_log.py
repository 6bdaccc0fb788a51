"""Access log: gives each request an id, and logs one line when it is answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # monitoring calls them every few seconds
MAX_ID_LENGTH: Final = 64
REFUSED: Final = frozenset({401, 404, 405, 415})  # what a client without a secret gets
REFUSAL_INTERVAL_S: Final = 1.0  # between two lines of the same status for requests that nobody signed


@dataclass(slots=True)
class _Refused:
    """Refusals with one status: when the last line was logged, and how many requests were not logged since."""

    logged_s: float = float("-inf")
    skipped: int = 0


class AccessLogMiddleware:
    """Pure ASGI middleware. Handlers bind fields to structlog's context; `BaseHTTPMiddleware` would lose them.

    Refused requests of unknown clients are logged once a second for each status, so that they cannot fill the disk.
    """

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = monotonic) -> None:
        self._app = app
        self._clock = clock
        self._refused: dict[int, _Refused] = {}

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
            self._log(scope, status=status, took_s=perf_counter() - started_s)
            structlog.contextvars.clear_contextvars()

    def _log(self, scope: Scope, *, status: int, took_s: float) -> None:
        path = scope["path"]
        if path in QUIET_PATHS and status < 500:
            return
        skipped: dict[str, int] = {}
        if status in REFUSED and not _is_known_client():
            refused = self._refused.setdefault(status, _Refused())
            now_s = self._clock()
            if now_s - refused.logged_s < REFUSAL_INTERVAL_S:
                refused.skipped += 1
                return
            if refused.skipped:
                skipped = {"skipped": refused.skipped}
            self._refused[status] = _Refused(now_s)
        logger = structlog.get_logger()
        log = logger.error if status == 500 else logger.info
        log(
            "http_request",
            method=scope["method"],
            path=path[:200],
            status=status,
            duration_ms=round(took_s * 1000, 2),
            **skipped,
        )


def _is_known_client() -> bool:
    """Whether a token or a session named the client: authentication binds who it is."""
    return "by" in structlog.contextvars.get_contextvars()


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and len(value) <= MAX_ID_LENGTH and value.isalnum():
            return str(value.decode())
    return uuid4().hex[:16]
