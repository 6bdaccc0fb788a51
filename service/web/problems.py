"""Errors as answers: `application/problem+json` with a text that says what to do (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.errors import NotFound, Refused, StoreAway, TaggerError, Unreadable

STATUS: dict[type[Exception], int] = {
    NotFound: 404,
    Refused: 409,
    Unreadable: 400,
    StoreAway: 503,
    RedisError: 503,
}


class Problem(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem(status: int, detail: str, headers: Any = None) -> Response:
    """The answer."""
    return JSONResponse(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail},
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


async def on_problem(_: Request, exc: Exception) -> Response:
    """A Problem says all by itself."""
    assert isinstance(exc, Problem)  # noqa: S101  # registered for nothing else
    return problem(exc.status, exc.detail, exc.headers)


async def on_http(_: Request, exc: Exception) -> Response:
    """Starlette's own: no such path, no such method."""
    assert isinstance(exc, HTTPException)  # noqa: S101  # registered for nothing else
    return problem(exc.status_code, str(exc.detail), exc.headers)


async def on_known(_: Request, exc: Exception) -> Response:
    """What the project raises on purpose, and Redis being away."""
    status = next(code for kind, code in STATUS.items() if isinstance(exc, kind))
    if isinstance(exc, RedisError):
        return problem(503, "Redis does not answer, or refuses", {"Retry-After": "1"})
    return problem(status, str(exc))


async def on_bug(_: Request, exc: Exception) -> Response:
    """Anything else is ours to mend; the text tells the caller nothing of the inside."""
    structlog.get_logger().error("bug", error=type(exc).__name__, exc_info=exc)
    return problem(500, "a fault of the service; it is in its log")


HANDLERS: dict[Any, Any] = {
    Problem: on_problem,
    HTTPException: on_http,
    **dict.fromkeys(STATUS, on_known),
    TaggerError: on_bug,
    Exception: on_bug,
}
