"""A problem: an error as a response, with a text that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
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
    InvalidSettings,
    MalformedData,
    NotFound,
    Overloaded,
    Refused,
    StoreUnavailable,
    TaggerError,
    TokenRefused,
    TokenUnchecked,
)
from service.locales import translator_for
from service.publishing import NeedsApproval
from service.sentence import Sentence
from service.web.problems.types import PROBLEM_TYPES, ProblemKind, type_address

KIND_BY_ERROR: Final[dict[type[Exception], ProblemKind]] = {
    Forbidden: "forbidden",
    NotFound: "not-found",
    TokenRefused: "token-refused",
    Refused: "refused",
    MalformedData: "malformed-data",
    InvalidSettings: "not-configured",
    StoreUnavailable: "store-unavailable",
}
KIND_BY_STATUS: Final[dict[int, ProblemKind]] = {
    404: "no-such-path",
    405: "method-not-allowed",
}  # of Starlette's own
MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """An error response. `members` are added to those of RFC 9457."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str | Sentence,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind: ProblemKind = kind
        self.status = PROBLEM_TYPES[kind].status
        self.detail = detail
        self.headers = headers
        self.members = members or {}

    @property
    def body(self) -> bytes:
        """The JSON body."""
        return msgspec.json.encode(problem_details(self.kind, str(self.detail)) | dict(self.members))


def problem_details(kind: ProblemKind, detail: str) -> dict[str, Any]:
    """The members of RFC 9457."""
    known = PROBLEM_TYPES[kind]
    return {"type": type_address(kind), "title": known.title, "status": known.status, "detail": detail}


def to_problem(exc: Exception) -> Problem:
    """The response to an exception. An unexpected one is logged, and its text is not shown."""
    match exc:
        case Problem():
            return exc
        case RedisError():
            return Problem(
                "store-unavailable",
                Sentence("Redis does not answer, or refuses"),
                headers={"Retry-After": "1"},
            )
        case Overloaded():
            return Problem(
                "overloaded", Sentence("{error}: ask again", error=exc.message), headers={"Retry-After": "2"}
            )
        case TokenUnchecked():
            return Problem("token-unchecked", exc.message, headers={"Retry-After": "10"})
        case InvalidRules():
            return _invalid_rules(exc)
        case NeedsApproval():
            return Problem("needs-approval", exc.message, members={"approval": _approval(exc)})
    for error, kind in KIND_BY_ERROR.items():
        if isinstance(exc, error):
            return Problem(kind, exc.message if isinstance(exc, TaggerError) else str(exc))
    structlog.get_logger().error("unhandled_exception", error=type(exc).__name__, exc_info=exc)
    return Problem("internal-error", Sentence("an error of the service; its log has the details"))


def _invalid_rules(exc: InvalidRules) -> Problem:
    """Every error with its position, and its message in every language."""
    problems = [
        problem.to_dict(translator_for("en"))
        | {"messages": {each: problem.message.text(translator_for(each)) for each in LANGUAGES}}
        for problem in exc.problems
    ]
    return Problem("invalid-rules", exc.text(translator_for("en")), members={"problems": problems})


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
    problem = Problem(
        KIND_BY_STATUS.get(exc.status_code, "internal-error"), str(exc.detail), headers=exc.headers
    )
    return Response(problem.body, problem.status, problem.headers, MEDIA_TYPE)


EXCEPTION_HANDLERS: Final[dict[Any, Any]] = {
    HTTPException: handle_http_exception,
    **dict.fromkeys((Problem, *KIND_BY_ERROR, RedisError, TaggerError, Exception), handle_error),
}
