"""Errors as responses: `application/problem+json` with a text that says what to do (RFC 9457)."""

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
from service.domain.explain import LANGUAGES
from service.errors import (
    Forbidden,
    MalformedData,
    NotFound,
    Overloaded,
    Refused,
    StoreUnavailable,
    TaggerError,
)
from service.locales import translator_for
from service.publishing import NeedsApproval
from service.sentence import Sentence

STATUS_BY_ERROR: Final[dict[type[Exception], int]] = {
    Forbidden: 403,
    NotFound: 404,
    Refused: 409,
    MalformedData: 400,
    StoreUnavailable: 503,
    RedisError: 503,
}
MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """An error response. `members` are added to those of RFC 9457."""

    def __init__(
        self,
        status: int,
        detail: str | Sentence,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.members = members or {}

    @property
    def body(self) -> bytes:
        """The JSON body."""
        title = HTTPStatus(self.status).phrase
        standard = {"type": "about:blank", "title": title, "status": self.status, "detail": str(self.detail)}
        return msgspec.json.encode({**standard, **self.members})


def to_problem(exc: Exception) -> Problem:
    """The response to an exception. An unexpected one is logged, and its text is not shown."""
    match exc:
        case Problem():
            return exc
        case RedisError():
            return Problem(503, Sentence("Redis does not answer, or refuses"), headers={"Retry-After": "1"})
        case Overloaded():
            return Problem(
                503, Sentence("{error}: ask again", error=exc.message), headers={"Retry-After": "2"}
            )
        case InvalidRules():
            return _invalid_rules(exc)
        case NeedsApproval():
            return Problem(409, exc.message, members={"approval": _approval(exc)})
    for kind, status in STATUS_BY_ERROR.items():
        if isinstance(exc, kind):
            return Problem(status, exc.message if isinstance(exc, TaggerError) else str(exc))
    structlog.get_logger().error("unhandled_exception", error=type(exc).__name__, exc_info=exc)
    return Problem(500, Sentence("an error of the service; its log has the details"))


def _invalid_rules(exc: InvalidRules) -> Problem:
    """Every error with its position, and its message in every language."""
    problems = [
        problem.to_dict(translator_for("en"))
        | {"messages": {each: problem.message.text(translator_for(each)) for each in LANGUAGES}}
        for problem in exc.problems
    ]
    return Problem(400, exc.text(translator_for("en")), members={"problems": problems})


def _approval(exc: NeedsApproval) -> dict[str, Any]:
    preview, guard = exc.report.preview, exc.report.guard
    return {
        "why": guard.why,
        "customers": preview.customers,
        "touched": preview.touched,
        "max_customers": guard.most_customers,
        "removed": preview.removed,
        "max_removed": guard.most_removed,
    }


async def handle_error(_: Request, exc: Exception) -> Response:
    """Respond to an exception of a handler."""
    problem = to_problem(exc)
    return Response(problem.body, problem.status, problem.headers, MEDIA_TYPE)


async def handle_http_exception(_: Request, exc: Exception) -> Response:
    """Respond to Starlette's own exceptions: no such path, no such method."""
    assert isinstance(exc, HTTPException)  # noqa: S101  # the only exception it is registered for
    problem = Problem(exc.status_code, str(exc.detail), headers=exc.headers)
    return Response(problem.body, problem.status, problem.headers, MEDIA_TYPE)


EXCEPTION_HANDLERS: Final[dict[Any, Any]] = {
    HTTPException: handle_http_exception,
    **dict.fromkeys((Problem, *STATUS_BY_ERROR, TaggerError, Exception), handle_error),
}
