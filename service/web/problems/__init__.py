"""Errors as responses: `application/problem+json` (RFC 9457), each of a type whose address leads to its explanation.

Everything that answers HTTP raises `Problem` or an error that `to_problem` knows."""

from service.web.problems.problem import (
    EXCEPTION_HANDLERS,
    MEDIA_TYPE,
    Problem,
    handle_http_exception,
    problem_details,
    to_problem,
)
from service.web.problems.types import (
    PROBLEM_TYPES,
    PROBLEMS_PATH,
    ProblemKind,
    ProblemType,
    show_problems,
    type_address,
)

__all__ = [
    "EXCEPTION_HANDLERS",
    "MEDIA_TYPE",
    "PROBLEMS_PATH",
    "PROBLEM_TYPES",
    "Problem",
    "ProblemKind",
    "ProblemType",
    "handle_http_exception",
    "problem_details",
    "show_problems",
    "to_problem",
    "type_address",
]
