"""Errors as answers: `application/problem+json` with a text that says what to do (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.domain.documents import InvalidRules
from service.errors import MalformedData, NotFound, Overloaded, Refused, StoreUnavailable, TaggerError
from service.publishing import NeedsApproval

STATUS: Final[dict[type[Exception], int]] = {
    NotFound: 404,
    Refused: 409,
    MalformedData: 400,
    StoreUnavailable: 503,
    RedisError: 503,
}
MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """An answer that is not what was asked for; `more` are members beside RFC 9457's."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.more = more or {}

    @property
    def body(self) -> bytes:
        """The JSON."""
        title = HTTPStatus(self.status).phrase
        told = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return msgspec.json.encode({**told, **self.more})


def to_problem(exc: Exception) -> Problem:
    """The answer to what went wrong; what nobody raises on purpose is logged and tells nothing of the inside."""
    match exc:
        case Problem():
            return exc
        case RedisError():
            return Problem(503, "Redis does not answer, or refuses", headers={"Retry-After": "1"})
        case Overloaded():
            return Problem(503, f"{exc}: ask again", headers={"Retry-After": "2"})
        case InvalidRules():
            return Problem(400, str(exc), more={"problems": exc.problems})
        case NeedsApproval():
            return Problem(409, str(exc), more={"approval": _approval(exc)})
    for kind, status in STATUS.items():
        if isinstance(exc, kind):
            return Problem(status, str(exc))
    structlog.get_logger().error("unhandled_exception", error=type(exc).__name__, exc_info=exc)
    return Problem(500, "a fault of the service; it is in its log")


def _approval(exc: NeedsApproval) -> dict[str, Any]:
    seen, guard = exc.shown.preview, exc.shown.guard
    return {
        "why": guard.why,
        "customers": seen.customers,
        "touched": seen.touched,
        "max_customers": guard.most_customers,
        "removed": seen.removed,
        "max_removed": guard.most_removed,
    }


async def on_error(_: Request, exc: Exception) -> Response:
    """Whatever a handler raised."""
    told = to_problem(exc)
    return Response(told.body, told.status, told.headers, MEDIA_TYPE)


async def on_http(_: Request, exc: Exception) -> Response:
    """Starlette's own: no such path, no such method."""
    assert isinstance(exc, HTTPException)  # noqa: S101  # registered for nothing else
    told = Problem(exc.status_code, str(exc.detail), headers=exc.headers)
    return Response(told.body, told.status, told.headers, MEDIA_TYPE)


HANDLERS: Final[dict[Any, Any]] = {
    HTTPException: on_http,
    **dict.fromkeys((Problem, *STATUS, TaggerError, Exception), on_error),
}
